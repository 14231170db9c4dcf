package httpd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestCancelledRecvOfPartsLosesNoPart cancels a Recv of each kind at every byte of the body. The parts that are received
// afterwards must be all of them, or the Source must fail: none is skipped.
func TestCancelledRecvOfPartsLosesNoPart(t *testing.T) {
	const body = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\nX-A: 1\r\n\r\n\r\n--b\r\n" +
		"Content-Disposition: form-data; name=\"c\"\r\n\r\nd\r\n--b\r\n" +
		"Content-Disposition: form-data; name=\"e\"; filename=\"f\"\r\n\r\ng\r\nh\r\n--b--\r\n"
	const all = "a= c=d e=g\r\nh "
	for cut := range len(body) {
		var got string
		var end error
		var began, cancelled chan struct{} // of the bubble
		handler := func(w http.ResponseWriter, r *http.Request) {
			parts, err := Multipart(w, r, nil)
			if err != nil {
				panic(err)
			}
			ctx, cancel := context.WithCancel(r.Context())
			go func() {
				synctest.Wait() // until the handler waits for the rest
				cancel()
				synctest.Wait()
				close(cancelled)
			}()
			close(began)
			receive := func(p *Part) error {
				got += p.Name + "="
				if p.Source == nil {
					got += p.Text + " "
					return nil
				}
				for {
					chunk, err := p.Source.Recv(ctx)
					switch {
					case err == nil:
						got += string(chunk)
					case err == io.EOF:
						got += " "
						return nil
					case ctx.Err() != nil && r.Context().Err() == nil:
						ctx = r.Context()
					default:
						return err
					}
				}
			}
			for {
				p, err := parts.Recv(ctx)
				if err == nil {
					err = receive(p)
				}
				if err != nil && ctx.Err() != nil && r.Context().Err() == nil {
					ctx = r.Context()
					continue
				}
				if err != nil {
					end = err
					return
				}
			}
		}
		inBubble(t, handler, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
			began, cancelled = make(chan struct{}), make(chan struct{})
			nc, in := dial()
			_, err := fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:cut])
			require.NoError(t, err)
			<-began
			<-cancelled
			_, err = io.WriteString(nc, body[cut:])
			require.NoError(t, err)
			_, err = http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.NoError(t, nc.Close())
		})
		if end == io.EOF {
			require.Equal(t, all, got, "cut at %d, after %q", cut, body[:cut])
		} else {
			require.ErrorIs(t, end, errPartsInterrupted, "cut at %d, after %q", cut, body[:cut])
			require.True(t, strings.HasPrefix(all, got), "%q", got)
		}
	}
}

// TestFailingStoreIsNotTheClientsFault uses a directory that is missing: no RequestError blames the client for it.
func TestFailingStoreIsNotTheClientsFault(t *testing.T) {
	body, kind := form(t, twoFiles)
	parts := partsOf(t, &MultipartConfig{Store: true, MaxMemory: 1, TempDir: t.TempDir() + "/missing"}, body, kind)
	_, err := parts.Recv(t.Context())
	require.NoError(t, err)
	_, err = parts.Recv(t.Context())
	require.Error(t, err)
	require.ErrorIs(t, err, fs.ErrNotExist)
	var refused *RequestError
	require.NotErrorAs(t, err, &refused)
}
