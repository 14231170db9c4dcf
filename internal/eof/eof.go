// Package eof tells failures from the end of a stream.
package eof

import (
	"errors"
	"io"
)

// Unexpected returns err or, if that matches io.EOF, an error that matches io.ErrUnexpectedEOF instead: whatever failed, it
// was not the end of the stream.
func Unexpected(err error) error {
	switch {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case errors.Is(err, io.EOF):
		return unexpected{err}
	}
	return err
}

// unexpected is an error that io.EOF has caused, but does not match it.
type unexpected struct{ err error }

func (e unexpected) Error() string      { return e.err.Error() }
func (e unexpected) As(target any) bool { return errors.As(e.err, target) }
func (e unexpected) Is(target error) bool {
	return target == io.ErrUnexpectedEOF || target != io.EOF && errors.Is(e.err, target)
}
