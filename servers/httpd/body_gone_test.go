package httpd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

const tooShort = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"

// goneWithin sends a request that ends within its body, leaves, and returns the context as the handler then finds it.
func goneWithin(t *testing.T, addr string, entered chan struct{}, found chan error, leave func(nc *net.TCPConn) error) error {
	t.Helper()
	nc, _ := dial(t, addr)
	_, err := io.WriteString(nc, tooShort)
	require.NoError(t, err)
	awaitIn(t, entered) // a reset may overtake what was sent
	require.NoError(t, leave(nc.(*net.TCPConn)))
	return awaitIn(t, found)
}

// TestContextEndsWhenTheClientLeavesWithinTheBody is what net/http does.
func TestContextEndsWhenTheClientLeavesWithinTheBody(t *testing.T) {
	leaving := map[string]func(nc *net.TCPConn) error{
		"half-closes": (*net.TCPConn).CloseWrite,
		"closes":      (*net.TCPConn).Close,
		"resets":      func(nc *net.TCPConn) error { return errors.Join(nc.SetLinger(0), nc.Close()) },
	}
	for name, leave := range leaving {
		t.Run(name, func(t *testing.T) {
			entered, found, seen := make(chan struct{}, 1), make(chan error, 1), make(chan Access, 1)
			handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				entered <- struct{}{}
				_, err := io.ReadAll(r.Body)
				if r.Context().Err() == nil {
					found <- errors.Join(errBoom, err)
					return
				}
				found <- context.Cause(r.Context())
			})
			hooks := &Hooks{Ended: func(a Access) { seen <- a }}
			require.Equal(t, context.Canceled, goneWithin(t, start(t, handler, &Config{Hooks: hooks}), entered, found, leave))
			require.ErrorIs(t, (<-seen).Err, ErrClientGone)
			err := goneWithin(t, start(t, handler, &Config{HalfClose: true}), entered, found, leave)
			if name == "resets" {
				require.Equal(t, context.Canceled, err)
			} else {
				require.ErrorIs(t, err, errBoom, "HalfClose keeps the context")
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
			require.Equal(t, context.Canceled, goneWithin(t, startStandard(t, handler), entered, found, leave))
		})
	}
}

// TestFaultOfAClientThatHalfClosesIsAnswered has bodies that are malformed, too long or too short, for a Reply.
func TestFaultOfAClientThatHalfClosesIsAnswered(t *testing.T) {
	addr := start(t, Reply(func(_ context.Context, r *http.Request) (Response, error) {
		_, err := io.ReadAll(r.Body)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = &RequestError{http.StatusBadRequest, err}
		}
		if err == nil {
			err = errBoom
		}
		return Response{}, err
	}), &Config{MaxBody: 10})
	const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	for raw, status := range map[string]string{
		chunked + "x\r\n":                   "400 Bad Request",
		chunked + "20\r\n" + tooShort[:32]:  "413 Request Entity Too Large",
		chunked + "5\r\nabc":                "400 Bad Request",
		chunked + "5\r\nabcde\r\n0\r\nX-A:": "400 Bad Request",
	} {
		require.Equal(t, "HTTP/1.1 "+status, statusLine(rawReply(t, addr, raw)), "%q", raw)
	}
}
