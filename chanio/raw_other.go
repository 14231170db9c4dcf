//go:build !unix

package chanio

import "net"

// rawReader and rawWriter need descriptors that can be used without blocking; elsewhere a Conn does without.
type rawReader struct{}

func newRawReader(net.Conn, *inlet) *rawReader { return nil }

func (*rawReader) read([]byte, int) (int, error) { panic("chanio: unreachable") }

func (*rawReader) readNow([]byte, int) int { panic("chanio: unreachable") }

type rawWriter struct{}

func newRawWriter(net.Conn) *rawWriter { return nil }

func (*rawWriter) TryWrite([]byte) (int, error) { panic("chanio: unreachable") }

func (*rawWriter) TryWriteBoth(_, _ []byte) (int, error) { panic("chanio: unreachable") }
