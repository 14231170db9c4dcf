//go:build unix

package suite

import "syscall"

// spare is how many descriptors a process needs for everything else.
const spare = 200

// ManyConns returns want, or as many connections as one process may have. The runtime has raised the limit as far as it
// may be.
func ManyConns(want int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < spare {
		return min(want, 500)
	}
	return min(want, int(min(limit.Cur, 1<<30))-spare)
}
