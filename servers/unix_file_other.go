//go:build !unix || aix || solaris

package servers

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
)

// listenUnixFile listens at a path. On these systems a stale file must be removed by hand.
func listenUnixFile(path string, mode fs.FileMode) (net.Listener, error) {
	if mode != 0 {
		return nil, fmt.Errorf("Mode on this system: %w", errors.ErrUnsupported)
	}
	return listenUnixPlain(path)
}
