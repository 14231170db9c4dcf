package deadline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
)

// Cause returns why ctx ended: its cause, or ctx.Err() if the cause is unsound or looks like the end of a stream.
func Cause(ctx context.Context) error {
	cause := context.Cause(ctx)
	if !IsSound(cause) || errors.Is(cause, io.EOF) || errors.Is(cause, net.ErrClosed) {
		return ctx.Err()
	}
	return cause
}

// IsSound reports whether errors.Is and errors.As can be asked about an error of the user. A nil *net.OpError panics then,
// for instance: in a goroutine of the library that would end the process.
func IsSound(err error) (sound bool) {
	defer func() { _ = recover() }()
	_, _ = errors.Is(err, io.EOF), isOfCall(err)
	return true
}

// Resumable reports whether err concerns only one call, which ctx bounded, and not the stream.
func Resumable(ctx context.Context, err error) bool {
	if err == nil || err == io.EOF {
		return false
	}
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || isCause(err, context.Cause(ctx))) {
		return true
	}
	return isOfCall(err)
}

// isOfCall reports whether err is marked as an error that concerns only one call.
func isOfCall(err error) bool {
	r, ok := errors.AsType[resumer](err)
	return ok && r.Resumable()
}

type resumer interface {
	error
	Resumable() bool
}

// Sound returns err or, if it is not sound, an error with its text.
func Sound(err error) error {
	if IsSound(err) {
		return err
	}
	return fmt.Errorf("%T with a method that panics: %v", err, err)
}

// Final returns err for the end of a stream. If err says that it concerns only one call, perhaps of another stream, the
// result says the opposite: a receiver that repeats such calls would never notice the end. The result is sound, because
// code that closes the stream or hears of its end examines it.
func Final(err error) error {
	err = Sound(err)
	if isOfCall(err) {
		return &final{err}
	}
	return err
}

type final struct{ error }

func (e *final) Unwrap() error   { return e.error }
func (e *final) Resumable() bool { return false }

// isCause is errors.Is for a cause that may not be comparable. A cause that looks like the end of a stream does not
// count.
func isCause(err, cause error) bool {
	if cause == io.EOF || cause == net.ErrClosed {
		return false
	}
	if reflect.ValueOf(cause).Comparable() {
		return errors.Is(err, cause)
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if reflect.DeepEqual(err, cause) {
			return true
		}
	}
	return false
}
