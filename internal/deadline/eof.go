package deadline

import (
	"errors"
	"io"
)

// NoEnd returns err or, if that matches io.EOF, an error that matches io.ErrUnexpectedEOF instead: whatever failed, it
// was not the end of the stream.
func NoEnd(err error) error {
	switch {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case errors.Is(err, io.EOF):
		return noEnd{err}
	}
	return err
}

// noEnd is an error that io.EOF has caused, but does not match it.
type noEnd struct{ err error }

func (e noEnd) Error() string      { return e.err.Error() }
func (e noEnd) As(target any) bool { return errors.As(e.err, target) }
func (e noEnd) Is(target error) bool {
	return target == io.ErrUnexpectedEOF || target != io.EOF && errors.Is(e.err, target)
}
