package httpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// chaos is what requests to a server with random faults have in common. Every answer depends on the path of its request,
// so an answer to another request is noticed.
type chaos struct {
	t *testing.T

	mu    sync.Mutex
	heads map[string]int // requests that were acted on, by path
}

// arrived counts a request.
func (x *chaos) arrived(path string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.heads[path]++
}

// answerTo returns the body of the answer to a path. over HTTP/2 it is short, so that no window is exceeded.
func answerTo(path string, most int) string {
	return path + "|" + long(int(crc32.ChecksumIEEE([]byte(path)))%most)
}

const (
	mostHTTP1 = 40 << 10
	mostHTTP2 = 1 << 10
	liesField = "X-Lies" // of an answer whose body is not the whole one
)

// serveHTTP1 answers requests with random faults until one of them ends the connection.
func (x *chaos) serveHTTP1(nc net.Conn, in *bufio.Reader) {
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		x.arrived(r.URL.Path)
		if !x.answerHTTP1(nc, r) {
			return
		}
	}
}

// answerHTTP1 reports whether the connection goes on.
func (x *chaos) answerHTTP1(nc net.Conn, r *http.Request) bool {
	body := answerTo(r.URL.Path, mostHTTP1)
	say := func(format string, values ...any) { _, _ = fmt.Fprintf(nc, format, values...) }
	good := func(more string) {
		say("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n", more, len(body))
		if r.Method != "HEAD" {
			say("%s", body)
		}
	}
	kind := rand.IntN(22)
	if kind < 17 {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	switch kind {
	case 0: // no answer
		return false
	case 1:
		say("HTTP/1.1 200 OK\r\nA")
		return false
	case 2: // cut
		say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:rand.IntN(len(body))])
		return false
	case 3:
		say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body)
		if r.Method != "HEAD" && rand.IntN(2) == 0 {
			return false
		}
		say("0\r\n\r\n")
		return r.Method != "HEAD"
	case 4:
		say("HTTP/1.1 200 OK\r\n\r\n%s", body)
		return false
	case 5: // bytes that belong to no answer
		if r.Method == "HEAD" {
			body = ""
		}
		say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", len(body), body)
	case 6:
		say("HTTP/1.1 200 OK\r\n%s: 1\r\nContent-Length: %d\r\n\r\n%s", liesField, len(body)-1, body)
	case 7:
		say("%s", strings.Repeat("HTTP/1.1 103 Hints\r\nA: b\r\n\r\n", rand.IntN(40)))
		good("")
	case 8:
		_ = nc.(*net.TCPConn).SetLinger(0)
		return false
	case 9:
		good("Connection: close\r\n")
	case 10:
		good("")
		return false
	case 11: // an answer that nobody asked for, when the connection is idle
		good("")
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
		say("HTTP/1.1 408 Late\r\nConnection: close\r\n%s: 1\r\nContent-Length: 0\r\n\r\n", liesField)
		return false
	case 12:
		say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%sxx\r\n0\r\n\r\n", len(body), body)
	case 17: // before the body
		good("")
		_, _ = io.Copy(io.Discard, r.Body)
	case 18:
		say("HTTP/1.1 413 No\r\nConnection: close\r\n%s: 1\r\nContent-Length: 0\r\n\r\n", liesField)
		return false
	case 19:
		good("")
		_ = nc.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, r.Body)
	default:
		_, _ = io.Copy(io.Discard, r.Body)
		good("")
	}
	return true
}

// serveHTTP2 does the same over HTTP/2.
func (x *chaos) serveHTTP2(nc net.Conn, in *bufio.Reader) {
	if _, err := io.ReadFull(in, make([]byte, len(frames.ClientPreface))); err != nil {
		return
	}
	f := frames.NewFramer(nc, in)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = f.WriteSettings(frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: uint32(1 + rand.IntN(8))})
	last := uint32(1<<31 - 1) // stream that is acted on
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *frames.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *frames.DataFrame:
			if n := len(frame.Data()); n > 0 {
				_ = f.WriteWindowUpdate(0, uint32(n))
				_ = f.WriteWindowUpdate(frame.StreamID, uint32(n))
			}
		case *frames.MetaHeadersFrame:
			if frame.StreamID <= last && !x.answerHTTP2(f, frame, &last) {
				return
			}
		}
	}
}

// answerHTTP2 reports whether the connection goes on.
func (x *chaos) answerHTTP2(f *frames.Framer, request *frames.MetaHeadersFrame, last *uint32) bool {
	id, path, method := request.StreamID, request.PseudoValue("path"), request.PseudoValue("method")
	body := answerTo(path, mostHTTP2)
	length := fmt.Sprint(len(body))
	kind := rand.IntN(22)
	if method == "HEAD" && kind > 4 {
		kind = 22
	}
	if kind > 1 {
		x.arrived(path)
	}
	switch kind {
	case 0: // it is not acted on
		refusals := []frames.ErrCode{frames.ErrCodeRefusedStream, frames.ErrCodeHTTP11Required}
		_ = f.WriteRSTStream(id, refusals[rand.IntN(len(refusals))])
	case 1:
		*last = id - min(id, 2)
		_ = f.WriteGoAway(*last, frames.ErrCodeNo, nil)
	case 2:
		return false
	case 3:
		codes := []frames.ErrCode{frames.ErrCodeCancel, frames.ErrCodeNo, frames.ErrCodeInternal, frames.ErrCodeEnhanceYourCalm, 0xffff}
		_ = f.WriteRSTStream(id, codes[rand.IntN(len(codes))])
	case 4:
		if method == "HEAD" {
			writeHead(f, id, false, ":status", "200", "content-length", length)
			_ = f.WriteData(id, true, []byte("evil"))
			break
		}
		writeHead(f, id, false, ":status", "200", "content-length", length)
		_ = f.WriteData(id, false, []byte(body[:rand.IntN(len(body))]))
		_ = f.WriteRSTStream(id, frames.ErrCode(rand.IntN(14)))
	case 13: // less than announced
		writeHead(f, id, false, ":status", "200", "content-length", length)
		_ = f.WriteData(id, true, []byte(body[:len(body)-1]))
	case 14: // more than announced
		writeHead(f, id, false, ":status", "200", "content-length", fmt.Sprint(len(body)-1))
		_ = f.WriteData(id, true, []byte(body))
	case 5:
		*last = id
		_ = f.WriteGoAway(id, frames.ErrCode(rand.IntN(14)), nil)
		writeHead(f, id, false, ":status", "200")
		_ = f.WriteData(id, true, []byte(body))
	case 6:
		_ = f.WriteGoAway(1<<31-1, frames.ErrCodeNo, nil)
		writeHead(f, id, false, ":status", "200")
		_ = f.WriteData(id, true, []byte(body))
	case 7:
		for range rand.IntN(40) {
			writeHead(f, id, false, ":status", "103")
		}
		writeHead(f, id, false, ":status", "200")
		_ = f.WriteData(id, true, []byte(body))
	case 8: // behind the end
		writeHead(f, id, false, ":status", "200")
		_ = f.WriteData(id, true, []byte(body))
		_ = f.WriteData(id, true, []byte("evil"))
	case 9:
		writeHead(f, id, false, ":status", "200")
		_ = f.WriteData(id, false, []byte(body))
		writeHead(f, id, true, "a", "b")
		_ = f.WriteRSTStream(id, frames.ErrCodeNo)
	case 10:
		_ = f.WriteSettings(frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: uint32(1 + rand.IntN(4))})
		_ = f.WritePing(false, [8]byte{})
		writeHead(f, id, false, ":status", "200")
		_ = f.WriteData(id, true, []byte(body))
	case 11: // cut
		writeHead(f, id, false, ":status", "200", "content-length", length)
		_ = f.WriteData(id, false, []byte(body[:rand.IntN(len(body))]))
		return false
	case 12: // no head
		_ = f.WriteData(id, true, []byte(body))
	case 15: // a stream that was not opened
		_ = f.WriteData(id+2000, true, []byte("evil"))
	default:
		if method == "HEAD" {
			writeHead(f, id, true, ":status", "200", "content-length", length)
			break
		}
		writeHead(f, id, false, ":status", "200", "content-length", length)
		_ = f.WriteData(id, false, []byte(body[:1]))
		_ = f.WriteData(id, true, []byte(body[1:]))
	}
	return true
}

// visit sends a random request and checks what comes back.
func (x *chaos) visit(c *Client, base string, n, most int) {
	methods := []string{"GET", "HEAD", "POST", "PUT", "DELETE"}
	method := methods[rand.IntN(len(methods))]
	path := fmt.Sprintf("/%s/%d", method, n)
	ctx, cancel := context.WithCancel(x.t.Context())
	defer cancel()
	if rand.IntN(4) == 0 {
		stop := time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, cancel)
		defer stop.Stop()
	}
	r := &Request{Method: method, URL: base + path, Timeout: testPatience}
	if method == "POST" || method == "PUT" {
		p := bytes.Repeat([]byte("x"), 1<<rand.IntN(18))
		r.Body = Bytes(p)
		if rand.IntN(2) == 0 {
			r.Body = Reader(bytes.NewReader(p), -1)
		}
	}
	resp, err := c.Do(ctx, r)
	if err != nil {
		x.checkError(err)
		return
	}
	want := answerTo(path, most)
	if method == "HEAD" || resp.Header[liesField] != nil && resp.Status != 200 {
		want = ""
	}
	var got []byte
	switch rand.IntN(4) {
	case 0:
	case 1:
		got, err = resp.Body.Recv(ctx)
	default:
		got, err = resp.Bytes(ctx)
		if err == nil && resp.Header[liesField] == nil {
			require.Equal(x.t, want, string(got))
		}
	}
	require.True(x.t, strings.HasPrefix(want, string(got)), "%s got %.40q", path, got)
	x.checkError(err)
	_ = resp.Close()
}

// checkError fails the test if a request waited until its end.
func (x *chaos) checkError(err error) {
	var late *TimeoutError
	require.False(x.t, errors.As(err, &late), "%v", err)
}

// TestRandomFaultsMixUpNothing sends requests at once to a server that fails at random: no answer is taken for another
// one, no body that was cut is taken for a whole one, no POST arrives twice, nothing hangs, and nothing is left open.
func TestRandomFaultsMixUpNothing(t *testing.T) {
	for _, version := range []string{"HTTP/1", "HTTP/2"} {
		t.Run(version, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0") // the first socket opens those of the runtime
			require.NoError(t, err)
			require.NoError(t, ln.Close())
			before := openFiles()
			t.Run("requests", func(t *testing.T) {
				x := &chaos{t: t, heads: map[string]int{}}
				cfg, serves, most := &Config{MaxPerHost: 6}, x.serveHTTP1, mostHTTP1
				if version == "HTTP/2" {
					cfg, serves, most = &Config{MaxPerHost: 3, Protocols: h2c()}, x.serveHTTP2, mostHTTP2
				}
				s := raw(t, serves)
				c := newClient(t, cfg)
				var wg sync.WaitGroup
				for worker := range 12 {
					wg.Go(func() {
						for i := range 60 {
							x.visit(c, s.url, worker*1000+i, most)
						}
					})
				}
				wg.Wait()
				x.mu.Lock() // a request that its caller gave up may still arrive
				defer x.mu.Unlock()
				for path, n := range x.heads {
					require.True(t, n == 1 || !strings.HasPrefix(path, "/POST"), "%s came %d times", path, n)
				}
			})
			require.Eventually(t, func() bool { return openFiles() <= before }, testPatience, 1e6)
		})
	}
}

// openFiles returns the number of open descriptors, or 0 where that cannot be known.
func openFiles() int {
	open, _ := os.ReadDir("/proc/self/fd")
	return len(open)
}
