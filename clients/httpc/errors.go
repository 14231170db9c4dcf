package httpc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Errors of requests that were not sent.
var (
	// ErrBusy means that all connections to a host are in use and Config.MaxWaiters requests are waiting for one.
	ErrBusy = errors.New("httpc: all connections are in use, and the maximum number of requests is waiting")

	// ErrClosed means that the Client has been closed. It matches net.ErrClosed.
	ErrClosed error = &closedError{}
)

// closedError is the type of [ErrClosed].
type closedError struct{}

func (*closedError) Error() string { return "httpc: the client is closed" }
func (*closedError) Unwrap() error { return net.ErrClosed }

// Errors of bodies.
var (
	// ErrHeld ends a response body that was not read for Config.HeldTimeout.
	ErrHeld = errors.New("httpc: a response body was held without being read for too long")

	errClosedBody = fmt.Errorf("httpc: the response body is closed: %w", net.ErrClosed)
)

// Phase is the phase of a request in which a timeout occurred.
type Phase string

// The phases with timeouts.
const (
	PhasePool      Phase = "waiting for a connection" // Config.PoolTimeout
	PhaseConnect   Phase = "connecting"               // Config.Connect.Timeout, or a timeout of Config.Dial
	PhaseHandshake Phase = "the TLS handshake"        // TLSConfig.HandshakeTimeout
	PhaseHead      Phase = "waiting for the response" // Config.HeadTimeout
	PhaseBody      Phase = "waiting for the body"     // Config.BodyTimeout
	PhaseAttempt   Phase = "the attempt"              // Config.AttemptTimeout
	PhaseTotal     Phase = "the request"              // Config.Timeout
)

// TimeoutError means that a timeout of a Config has expired. It is a net.Error with Timeout and matches
// os.ErrDeadlineExceeded.
type TimeoutError struct {
	Phase Phase
	After time.Duration // the timeout; 0 if it is not known
	Err   error         // the underlying error, or nil
}

// Error names the phase that timed out.
func (e *TimeoutError) Error() string {
	text := "httpc: timeout: " + string(e.Phase)
	if e.After > 0 {
		text += fmt.Sprintf(" took more than %v", e.After)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Timeout returns true.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary returns true, for net.Error.
func (e *TimeoutError) Temporary() bool { return true }

// Unwrap returns os.ErrDeadlineExceeded, and Err.
func (e *TimeoutError) Unwrap() []error {
	if e.Err == nil {
		return []error{os.ErrDeadlineExceeded}
	}
	return []error{os.ErrDeadlineExceeded, e.Err}
}

// invalidError is the error of a request that cannot be sent as given.
type invalidError struct{ what string }

func (e *invalidError) Error() string { return "httpc: " + e.what }

// isHopeless reports whether no attempt can succeed: the request is invalid, or the Client is closed.
func isHopeless(err error) bool {
	var bad *invalidError
	return errors.As(err, &bad) || errors.Is(err, ErrClosed)
}

func invalid(format string, args ...any) error { return &invalidError{fmt.Sprintf(format, args...)} }
