//go:build !unix

package child

import "time"

// cpuTime is 0: the system is not asked.
func cpuTime() time.Duration { return 0 }

func family() time.Duration { return 0 }
