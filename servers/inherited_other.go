//go:build !unix || aix || solaris

package servers

import (
	"errors"
	"os"
	"syscall"
)

func duplicate(syscall.Conn, string) (*os.File, error) { return nil, errors.ErrUnsupported }

func claimInherited(uintptr) error { return nil }

// checkListening does nothing. If the socket is not listening, the first accept fails.
func checkListening(*os.File) error { return nil }
