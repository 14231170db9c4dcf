package chanio

import (
	"fmt"
	"runtime/debug"

	"github.com/weir-go/weir/internal/deadline"
)

// PanicError is the error of a stream whose stage, codec or handler panicked.
type PanicError struct {
	Value any    // what it panicked with; nil if it called runtime.Goexit
	Stack []byte // of the goroutine that panicked, as runtime/debug.Stack prints it

	unsound bool // Value is an error whose methods panic
}

// Recovered returns a PanicError for v, the result of recover in a deferred function of a stage or endpoint. For
// runtime.Goexit, where recover returns nil, v is nil.
func Recovered(v any) *PanicError {
	err, ok := v.(error)
	return &PanicError{Value: v, Stack: debug.Stack(), unsound: ok && !deadline.IsSound(err)}
}

// Error describes the panic, without the stack.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "chanio: runtime.Goexit called"
	}
	return fmt.Sprintf("chanio: panic: %v", e.Value)
}

// Unwrap returns the value of the panic if it is an error, unless Recovered has found that a method of it panics in turn.
func (e *PanicError) Unwrap() error {
	if err, ok := e.Value.(error); ok && !e.unsound {
		return err
	}
	return nil
}
