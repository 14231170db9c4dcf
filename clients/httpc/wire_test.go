package httpc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// plain returns the text of hex dumps: the right column, joined.
func plain(text string) string {
	var b strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^[0-9a-f]{8}  .*?\|(.*)\|$|^(.*)$`).FindAllStringSubmatch(text, -1) {
		if m[2] != "" {
			b.WriteString("\n" + m[2] + "\n")
		} else {
			b.WriteString(m[1])
		}
	}
	return b.String()
}

// TestWireShowsBytesWithoutSecrets sends secrets in both directions with each version.
func TestWireShowsBytesWithoutSecrets(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "set", Value: "secret3"})
		w.Header().Set("X-Plain", r.Header.Get("X-Plain"))
		_, _ = io.WriteString(w, "the answer")
	}
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, show := range []bool{false, true} {
			t.Run(fmt.Sprint(version, show), func(t *testing.T) {
				srv := httptest.NewUnstartedServer(http.HandlerFunc(handler))
				srv.Config.ErrorLog = log.New(io.Discard, "", 0)
				srv.EnableHTTP2 = version == "HTTP/2.0"
				srv.StartTLS()
				t.Cleanup(srv.Close)
				var b lockedBuffer
				c := New(&Config{Connect: trusting(), Wire: &b, ShowSecrets: show, SensitiveHeaders: []string{"X-Key"}})
				for range 2 {
					resp, err := c.Do(t.Context(), &Request{
						URL: srv.URL, Auth: Bearer("secret1"), Cookies: []*http.Cookie{{Name: "a", Value: "secret2"}}, Body: Text("the question"),
						Header: http.Header{"X-Key": {"secret4"}, "X-Plain": {"shown"}},
					})
					require.NoError(t, err)
					require.NotNil(t, resp.TLS)
					got, err := resp.Text(t.Context())
					require.NoError(t, err)
					require.Equal(t, "the answer", got)
				}
				require.EqualValues(t, 1, c.Stats()[0].Dials, "it is used again")
				require.NoError(t, c.Close())
				require.Eventually(t, func() bool { return strings.Contains(b.String(), "= 1 closed") }, testPatience, 1e6)
				text := b.String()
				all := plain(text)
				for _, part := range []string{"the question", "the answer", "shown", "= 1 " + version[:6] + " over TLS with 127.0.0.1:", "= 1 closed", "> 1 ", "< 1 "} {
					require.Contains(t, all, part)
				}
				if version == "HTTP/1.1" {
					require.Contains(t, all, "POST / HTTP/1.1")
					require.Contains(t, all, "HTTP/1.1 200 OK")
				} else {
					require.Contains(t, text, "> 1 preface, 24 bytes\n> 1 SETTINGS stream 0, ")
					require.Contains(t, text, `> 1   ":method": "POST"`)
					require.Contains(t, text, `< 1   ":status": "200"`)
				}
				for _, secret := range []string{"secret1", "secret2", "secret3", "secret4"} {
					require.Equal(t, show, strings.Contains(all, secret), "%s in %s", secret, all)
				}
			})
		}
	}
}

// TestWireMasksLines passes heads in pieces of every size.
func TestWireMasksLines(t *testing.T) {
	cfg := &Config{SensitiveHeaders: []string{"X-Key"}}
	for text, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":               "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"Authorization: Basic x\r\nA: b\r\n":              "Authorization:xxxxxxxx\r\nA: b\r\n",
		"AUTHORIZATION:y\nproxy-authorization: z\nA: b":   "AUTHORIZATION:x\nproxy-authorization:xx\nA: b",
		"Set-Cookie: a\r\n b: c\r\n\td\r\nE: f\r\n":       "Set-Cookie:xx\r\nxxxxx\r\nxx\r\nE: f\r\n",
		"Cookie:\r\n folded\r\nX: y":                      "Cookie:\r\nxxxxxxx\r\nX: y",
		"A: Cookie: b\r\n":                                "A: Cookie: b\r\n",
		"x-KEY: secret":                                   "x-KEY:xxxxxxx",
		" Cookie: b":                                      " Cookie: b",
		strings.Repeat("n", 2*maxName) + ": v\nCookie: w": strings.Repeat("n", 2*maxName) + ": v\nCookie:xx",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200\r\nSet-Cookie: a": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200\r\nSet-Cookie:xx",
	} {
		for size := 1; size <= len(text); size++ {
			l := &lineText{cfg: cfg}
			var got []byte
			for at := 0; at < len(text); at += size {
				for _, c := range []byte(text[at:min(at+size, len(text))]) {
					got = append(got, l.next(c))
				}
			}
			require.Equal(t, want, string(got))
			require.LessOrEqual(t, len(l.line), maxName)
		}
	}
}

// TestWireShowsFrames passes frames in pieces of many sizes: a block in three parts, padding, priority, and one too
// long.
func TestWireShowsFrames(t *testing.T) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "set-cookie", Value: "secret"}, {Name: "x", Value: "y\nz"}} {
		require.NoError(t, enc.WriteField(f))
	}
	var wire bytes.Buffer
	f := frames.NewFramer(&wire, nil)
	p := block.Bytes()
	require.NoError(t, f.WriteHeaders(frames.HeadersFrameParam{
		StreamID: 1, BlockFragment: p[:2], PadLength: 7, Priority: frames.PriorityParam{Weight: 3, StreamDep: 5}, EndStream: true,
	}))
	require.NoError(t, f.WriteContinuation(1, false, p[2:5]))
	require.NoError(t, f.WriteContinuation(1, true, p[5:]))
	require.NoError(t, f.WriteData(1, true, []byte("hello")))
	require.NoError(t, f.WriteRawFrame(0x77, 0, 3, make([]byte, maxShown+1)))
	block.Reset()
	require.NoError(t, enc.WriteField(hpack.HeaderField{Name: "x", Value: "y\nz"})) // from the table
	require.NoError(t, f.WritePushPromise(frames.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: block.Bytes(), EndHeaders: true, PadLength: 1}))
	for _, size := range []int{1, 2, 7, 9, 10, 100, 1 << 30} {
		text := newFrameText(&Config{}, false)
		var got []byte
		for p := wire.Bytes(); len(p) > 0; p = p[min(size, len(p)):] {
			got = text.text(got, "< 1 ", p[:min(size, len(p))])
		}
		for _, part := range []string{
			`< 1   ":status": "200"`, `< 1   "set-cookie": "xxxxx"`, `< 1   "x": "y\nz"`, "< 1 HEADERS stream 1, ",
			"< 1 DATA stream 1, 5 bytes, flags 0x01\n00000000  68 65 6c 6c 6f", "UNKNOWN_FRAME_TYPE_119 stream 3, 1048577 bytes\ntoo long to be shown",
		} {
			require.Contains(t, string(got), part, "in pieces of %d", size)
		}
		require.Equal(t, 2, strings.Count(string(got), `"x": "y\nz"`))
		require.NotContains(t, string(got), "secret")
	}
}

// TestWireShowsABombInBoundedText uses a block with one long field and many one-byte references to it.
func TestWireShowsABombInBoundedText(t *testing.T) {
	var block, wire bytes.Buffer
	require.NoError(t, hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 4000)}))
	block.Write(bytes.Repeat([]byte{0x80 | 62}, 16<<10-100-block.Len()))
	require.NoError(t, frames.NewFramer(&wire, nil).WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}))
	f := newFrameText(&Config{}, false)
	got := f.text(nil, "< 1 ", wire.Bytes())
	require.Less(t, len(got), 2*maxShown)
	require.Contains(t, string(got), "left out")
	block.Reset()
	block.Write([]byte{0x80 | 62})
	wire.Reset()
	require.NoError(t, frames.NewFramer(&wire, nil).WriteHeaders(frames.HeadersFrameParam{StreamID: 3, BlockFragment: block.Bytes(), EndHeaders: true}))
	require.Contains(t, string(f.text(nil, "< 1 ", wire.Bytes())), strings.Repeat("y", 4000), "the table is kept")
}

// FuzzWireFrames checks that the frames of any server are shown in bounded memory.
func FuzzWireFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88"), 3)
	f.Add([]byte("\x00\x00\x01\x01\x0c\x00\x00\x00\x01\x88\xff\xff\xff\x00"), 1)
	f.Fuzz(func(t *testing.T, p []byte, size int) {
		text := newFrameText(&Config{}, len(p)%2 == 0)
		for size = max(size&0xff, 1); len(p) > 0; p = p[min(size, len(p)):] {
			text.text(nil, "", p[:min(size, len(p))])
			require.LessOrEqual(t, len(text.kept)+len(text.block), 2*maxShown+9)
		}
	})
}

func TestWireThatPanicsIsUsedNoMore(t *testing.T) {
	base := serve(t, echo)
	var logged lockedBuffer
	c := newClient(t, &Config{Wire: panicWriter{}, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	for range 3 {
		text(t, c, base)
	}
	require.Equal(t, 1, strings.Count(logged.String(), "not used any more"))
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("no") }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestWireOfATunnelShowsItsEnds half-closes a tunnel, and uses a Writer that fails.
func TestWireOfATunnelShowsItsEnds(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
			_, _ = io.Copy(nc, in)
		}
	})
	var b lockedBuffer
	c := newClient(t, &Config{Wire: io.MultiWriter(&b, failingWriter{})})
	conn, err := c.Connect(t.Context(), s.url, "a.example:443")
	require.NoError(t, err)
	require.NoError(t, conn.Out.Send(t.Context(), []byte("hello")))
	require.NoError(t, conn.Out.Close())
	got := ""
	for chunk := range conn.In.All(t.Context()) {
		got += string(chunk)
	}
	require.NoError(t, conn.In.Err())
	require.Equal(t, "hello", got)
	require.NoError(t, conn.Close())
	require.Contains(t, plain(b.String()), "CONNECT ")
	require.Equal(t, 2, strings.Count(plain(b.String()), "hello"))
	require.Contains(t, b.String(), "< 1 end\n")
	require.Eventually(t, func() bool { return strings.Contains(b.String(), "= 1 closed\n") }, testPatience, 1e6)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("full") }
