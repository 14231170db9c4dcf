//go:build !unix

package stream

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// Descriptors are used without blocking only on Unix systems.
func descriptorOf(net.Conn) syscall.RawConn { return nil }

type fdReader struct{}

func (*fdReader) init(*Reader) {}

func (*fdReader) read(syscall.RawConn, []byte, int) (int, error) { panic("stream: unreachable") }

func (*fdReader) isRaw() bool { return false }

func (*fdReader) readNow(syscall.RawConn, []byte, int) int { panic("stream: unreachable") }

// ReadRaw implements [RawSource].
func (*Reader) ReadRaw(context.Context, RawFunc) (int, error) { return 0, errors.ErrUnsupported }

type fdWriter struct{}

func (*fdWriter) init(*job) {}

func (*fdWriter) write(syscall.RawConn) error { panic("stream: unreachable") }
