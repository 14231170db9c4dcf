package httpc

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"time"
)

// carrier is what an exchange is made over: a connection of HTTP/1, which is the exchange's alone, or one of HTTP/2, which
// carries many.
type carrier interface {
	// roundTrip makes one attempt. Whatever comes of it, the carrier is given back.
	roundTrip(x *exchange) (*http.Response, *attemptError)

	// abandon gives the carrier back after an attempt that has panicked in the user's code.
	abandon(x *exchange)

	// gotConn calls the GotConn hook of a trace.
	gotConn(trace *httptrace.ClientTrace)
}

// incoming is a response body on its way, for one reader at a time.
type incoming interface {
	read(ctx context.Context, p []byte) (int, error) // io.EOF behind the last byte
	piece(ctx context.Context) ([]byte, error)       // the next bytes, which the caller owns
	peek(ctx context.Context) ([]byte, error)        // the next bytes, until the next call that may wait
	advance(n int)                                   // drops the first n of those
	over() bool                                      // it has been read to its end
	setDeadline(t time.Time)                         // of reads, one that waits included
	trailers(to http.Header) http.Header             // adds those that came
	cut(cause error)                                 // ends it, for any goroutine
	settle(x *exchange, s *sender, reuse bool)       // gives back what carried it, which has been read to its end
	lose(s *sender, cause error)                     // ends what carried it
	drain(limit int64, within time.Duration) bool    // reads and drops what is left, if that is worth while
}

// outgoing is a request body on its way.
type outgoing interface {
	write(ctx context.Context, p []byte) error
	finish(ctx context.Context, p []byte, trailers http.Header) error
	ended() bool                // the server takes no more
	cut(cause error)            // ends it such that it does not look complete
	headWithin(d time.Duration) // gives the head of the response its time; 0 means no limit
}
