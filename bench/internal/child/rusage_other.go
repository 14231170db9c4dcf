//go:build !unix

package child

import "time"

// cpuTime returns 0 on this system.
func cpuTime() time.Duration { return 0 }

func family() time.Duration { return 0 }
