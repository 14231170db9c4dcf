//go:build !unix

package chanio

// rawReader and rawWriter need descriptors that can be used without blocking; elsewhere a Conn does without.
type rawReader struct{}

func (*rawReader) init(*Conn) {}

func (*rawReader) ok() bool { return false }

func (*rawReader) read([]byte, int) (int, error) { panic("chanio: unreachable") }

func (*rawReader) readNow([]byte, int) int { panic("chanio: unreachable") }

type rawWriter struct{}

func (*rawWriter) init(*Conn) bool { return false }

func (*rawWriter) TryWrite([]byte) (int, error) { panic("chanio: unreachable") }

func (*rawWriter) TryWriteBoth(_, _ []byte) (int, error) { panic("chanio: unreachable") }
