package httpc

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"time"
)

// carrier is a connection for an exchange: an HTTP/1 connection, which carries one at a time, or an HTTP/2 connection, which
// carries many.
type carrier interface {
	// roundTrip makes one attempt, and releases the carrier in every case.
	roundTrip(x *exchange) (*http.Response, *attemptError)

	// abandon releases the carrier after an attempt in which user code panicked.
	abandon(x *exchange)

	// gotConn calls the GotConn hook of a trace.
	gotConn(trace *httptrace.ClientTrace)
}

// incoming is a response body, for one reader at a time.
type incoming interface {
	read(ctx context.Context, p []byte) (int, error) // io.EOF after the last byte
	piece(ctx context.Context) ([]byte, error)       // the next bytes, which the caller owns
	peek(ctx context.Context) ([]byte, error)        // the next bytes, until the next call that may wait
	advance(n int)                                   // drops the first n of them
	over() bool                                      // the body has been read to its end
	setDeadline(t time.Time)                         // of reads, including one in progress
	trailers(to http.Header) http.Header             // adds the trailers that arrived
	cut(cause error)                                 // ends the body; safe for concurrent use
	settle(x *exchange, s *sender, reuse bool)       // releases the carrier after the end of the body
	lose(s *sender, cause error)                     // ends the carrier or its stream
	drain(limit int64, within time.Duration) bool    // reads and discards the rest, within limits
}

// outgoing is a request body.
type outgoing interface {
	write(ctx context.Context, p []byte) error
	finish(ctx context.Context, p []byte, trailers http.Header) error
	ended() bool                // the server accepts no more
	cut(cause error)            // ends the body so that it does not look complete
	headWithin(d time.Duration) // sets the timeout of the response head; 0 means none
}
