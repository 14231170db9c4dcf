//go:build !unix || aix || solaris

package servers

import (
	"errors"
	"os"
	"syscall"
)

func duplicate(syscall.Conn, string) (*os.File, error) { return nil, errors.ErrUnsupported }

func closeOnExec(uintptr) {}

// checkListening leaves it to the first accept to show what is not a listening socket.
func checkListening(*os.File) error { return nil }
