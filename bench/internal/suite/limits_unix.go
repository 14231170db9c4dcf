//go:build unix

package suite

import "syscall"

// spare is how many descriptors a process needs for other purposes.
const spare = 200

// ManyConns returns want, or the number of connections that one process may have if that is less. The runtime has
// already raised the limit to its maximum.
func ManyConns(want int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < spare {
		return min(want, 500)
	}
	return min(want, int(min(limit.Cur, 1<<30))-spare)
}
