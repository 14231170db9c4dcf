//go:build !unix || aix || solaris

package datagram

import (
	"errors"
	"fmt"
	"net"
	"runtime"

	"github.com/weir-go/weir/chanio"
)

// OpenUnix fails: this system has no such sockets.
func OpenUnix(cfg *UnixConfig) (*chanio.UnixPacketConn, error) {
	err := fmt.Errorf("datagrams of Unix sockets: %w on %s", errors.ErrUnsupported, runtime.GOOS)
	return nil, &net.OpError{Op: "listen", Net: "unixgram", Err: err}
}
