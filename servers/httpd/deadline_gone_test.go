package httpd

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestDeadlineOfABodyDoesNotHideThatTheClientHasGone sets a read deadline before and after the body is read, which passes
// before the client disconnects.
func TestDeadlineOfABodyDoesNotHideThatTheClientHasGone(t *testing.T) {
	for name, late := range map[string]bool{"before the body": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			var over chan struct{}
			inBubble(t, func(w http.ResponseWriter, r *http.Request) {
				rc := http.NewResponseController(w)
				set := func(at bool) {
					if at == late {
						_ = rc.SetReadDeadline(time.Now().Add(time.Second))
					}
				}
				set(false)
				_, _ = io.Copy(io.Discard, r.Body)
				gone := r.Context().Done()
				set(true)
				<-gone
				close(over)
			}, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
				over = make(chan struct{}) // created in the bubble
				nc, _ := dial()
				_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
				require.NoError(t, err)
				time.Sleep(time.Minute)
				select {
				case <-over:
					t.Fatal("the context has ended although the client is there")
				default:
				}
				require.NoError(t, nc.Close())
				select {
				case <-over:
				case <-time.After(time.Minute):
					t.Fatal("the context does not end")
				}
			})
		})
	}
}

// TestWriteDeadlineOfAStreamBoundsItsFlush writes short pieces to a client that has opened its windows and reads
// nothing.
func TestWriteDeadlineOfAStreamBoundsItsFlush(t *testing.T) {
	var failed chan error
	var since time.Time
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		var err error
		for err == nil {
			since = time.Now()
			_ = rc.SetWriteDeadline(since.Add(time.Second))
			if _, err = w.Write(make([]byte, 100)); err == nil {
				err = rc.Flush()
			}
		}
		failed <- err
	}, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		failed = make(chan error, 1) // created in the bubble
		nc, _ := dial()
		p := &framePeer{t: t, nc: nc, fr: frames.NewFramer(nc, nil)}
		_, err := io.WriteString(nc, frames.ClientPreface)
		p.ok(err)
		p.ok(p.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 1<<31 - 1}))
		p.ok(p.fr.WriteWindowUpdate(0, 1<<30))
		p.enc = hpack.NewEncoder(&p.block)
		p.open(1, http.MethodGet, 0)
		var timeout net.Error
		require.ErrorAs(t, <-failed, &timeout)
		require.True(t, timeout.Timeout())
		require.Equal(t, time.Second, time.Since(since), "the deadline is 1 s, and WriteTimeout 30 s")
		require.NoError(t, nc.Close())
	})
}
