package http2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFrameThatTricklesInDoesNotKeepAnIdleConnection sends a frame byte by byte, each within FrameTimeout.
func TestFrameThatTricklesInDoesNotKeepAnIdleConnection(t *testing.T) {
	for name, head := range map[string]string{
		"head":    "",
		"unknown": "\x00\x40\x00\x77\x00\x00\x00\x00\x00",
		"data":    "\x00\x40\x00\x00\x00\x00\x00\x00\x01", // of a stream that is over
	} {
		t.Run(name, func(t *testing.T) {
			inRaw(t, nil, func(x *exchange) { x.respond(200, "") }, func(r *raw) {
				r.ok(r.headers(1, true, get("/")))
				time.Sleep(time.Second)
				_, err := r.nc.Write([]byte(head))
				for began := time.Now(); err == nil; {
					require.Less(t, time.Since(began), 3*time.Minute, "IdleTimeout is 75 s, and FrameTimeout 60 s")
					time.Sleep(50 * time.Second)
					_, err = r.nc.Write([]byte{0})
				}
			})
		})
	}
}

// TestFrameMayTrickleInWhileAStreamIsOpen sends DATA byte by byte for longer than IdleTimeout.
func TestFrameMayTrickleInWhileAStreamIsOpen(t *testing.T) {
	got := make(chan string, 1)
	inRaw(t, nil, func(x *exchange) {
		body, _ := x.readAll()
		got <- body
		x.respond(200, "")
	}, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/")))
		for _, c := range []byte("\x00\x00\x05\x00\x01\x00\x00\x00\x01hello") {
			_, err := r.nc.Write([]byte{c})
			r.ok(err)
			time.Sleep(50 * time.Second)
		}
		require.Equal(t, "hello", <-got)
	})
}
