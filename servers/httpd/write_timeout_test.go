package httpd

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
)

// TestWriteTimeoutsAreWhatTheConfigsSay has a client of net/http's server that reads nothing of each kind of stream.
func TestWriteTimeoutsAreWhatTheConfigsSay(t *testing.T) {
	const none = 2 * time.Hour // a test's ctx ends then
	large := make([]byte, 64<<10)
	forms := map[string]func(w http.ResponseWriter, r *http.Request, timeout time.Duration) error{
		"Sink": func(w http.ResponseWriter, r *http.Request, timeout time.Duration) error {
			out := Sink(w, r, &SinkConfig{WriteTimeout: timeout})
			return repeat(func() error { return out.Send(r.Context(), large) })
		},
		"Events": func(w http.ResponseWriter, r *http.Request, timeout time.Duration) error {
			out, err := Events(w, r, &EventsConfig{WriteTimeout: timeout})
			if err != nil {
				return err
			}
			return repeat(func() error { return out.Send(r.Context(), sse.Event{Data: string(large)}) })
		},
		"Upgrade": func(w http.ResponseWriter, r *http.Request, timeout time.Duration) error {
			conn, err := Upgrade(w, r, &UpgradeConfig{WriteTimeout: timeout, WebSocket: websocket.Config{PingAfter: -1}})
			if err != nil {
				return err
			}
			return repeat(func() error { return conn.Out.Send(r.Context(), websocket.Binary(large)) })
		},
	}
	for name, form := range forms {
		for timeout, want := range map[time.Duration]time.Duration{0: 30 * time.Second, 5 * time.Second: 5 * time.Second, -1: none} {
			t.Run(name+" "+timeout.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var network chaniotest.Network
					ln, err := network.Listen("server")
					require.NoError(t, err)
					failed := make(chan error, 1)
					srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ctx, cancel := context.WithTimeout(r.Context(), none)
						defer cancel()
						failed <- form(w, r.WithContext(ctx), timeout)
					})}
					served := make(chan error, 1)
					go func() { served <- srv.Serve(ln) }()
					nc, err := network.DialContext(t.Context(), "mem", "server")
					require.NoError(t, err)
					_, err = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
						"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
					require.NoError(t, err)
					start := time.Now()
					if want == none {
						time.Sleep(none - time.Second)
						require.Empty(t, failed)
					} else {
						require.Error(t, <-failed)
						require.InDelta(t, want.Seconds(), time.Since(start).Seconds(), want.Seconds()/4)
					}
					require.NoError(t, nc.Close())
					require.NoError(t, srv.Close())
					require.Equal(t, http.ErrServerClosed, <-served)
				})
			})
		}
	}
}

// repeat calls f until it fails.
func repeat(f func() error) (err error) {
	for err == nil {
		err = f()
	}
	return err
}
