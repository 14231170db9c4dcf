package reports

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

var h2c = ecosystem.Ways[3]

// frames is an HTTP/2 client that can send any frames.
type frames struct {
	t   *testing.T
	fr  *http2.Framer
	buf bytes.Buffer
	enc *hpack.Encoder

	credit int // for the connection
	status map[uint32]string
	reset  map[uint32]http2.ErrCode
}

func connect(t *testing.T, s ecosystem.Server) *frames {
	nc, in := dial(t, s)
	f := &frames{t: t, fr: http2.NewFramer(nc, in), credit: 65535, status: map[uint32]string{}, reset: map[uint32]http2.ErrCode{}}
	f.enc = hpack.NewEncoder(&f.buf)
	f.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err := io.WriteString(nc, http2.ClientPreface)
	require.NoError(t, err)
	require.NoError(t, f.fr.WriteSettings())
	return f
}

func (f *frames) request(id uint32, length int) {
	f.buf.Reset()
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/"}, {"content-length", strconv.Itoa(length)}} {
		require.NoError(f.t, f.enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}))
	}
	require.NoError(f.t, f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.buf.Bytes(), EndHeaders: true}))
}

// data sends DATA when the connection has credit.
func (f *frames) data(id uint32, p []byte, end bool) {
	for f.credit < len(p) {
		f.read()
	}
	f.credit -= len(p)
	require.NoError(f.t, f.fr.WriteData(id, end, p))
}

func (f *frames) read() {
	frame, err := f.fr.ReadFrame()
	require.NoError(f.t, err)
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			require.NoError(f.t, f.fr.WriteSettingsAck())
		}
	case *http2.WindowUpdateFrame:
		if frame.StreamID == 0 {
			f.credit += int(frame.Increment)
		}
	case *http2.MetaHeadersFrame:
		f.status[frame.StreamID] = frame.PseudoValue("status")
	case *http2.RSTStreamFrame:
		f.reset[frame.StreamID] = frame.ErrCode
	case *http2.PingFrame:
		if !frame.IsAck() {
			require.NoError(f.t, f.fr.WritePing(true, frame.Data))
		}
	case *http2.GoAwayFrame:
		require.Fail(f.t, "GOAWAY", "%v %s", frame.ErrCode, frame.DebugData())
	}
}

// golang/go 54185: a stream with more data than its Content-Length was reset, and the connection lost the credit of its
// data.
func TestDataBeyondItsLengthIsCredited(t *testing.T) {
	s := ecosystem.Serve(t, h2c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Read", strconv.FormatInt(n, 10))
	}), nil)
	f := connect(t, s)
	p := make([]byte, 16<<10)
	id := uint32(1)
	for ; id < 400; id += 2 { // 3 MiB in all
		f.request(id, 1)
		f.data(id, p, false)
		for _, done := f.reset[id]; !done; _, done = f.reset[id] {
			f.read()
		}
		require.Equal(t, http2.ErrCodeProtocol, f.reset[id])
	}
	f.request(id, len(p))
	f.data(id, p, true)
	for f.status[id] == "" {
		f.read()
	}
	require.Equal(t, "200", f.status[id])
}

// golang/go 16481 and netty/netty 7040: data that a handler left unread was not credited, until the connection stalled.
func TestUnreadBodiesOfManyStreamsAreCredited(t *testing.T) {
	s := ecosystem.Serve(t, h2c, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), nil)
	client := s.Client(t)
	body := strings.Repeat("x", 60<<10)
	for range 200 { // 12 MiB in all
		resp, _ := s.Do(t, client, http.MethodPost, "/", strings.NewReader(body))
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
	}
}

// golang/go 20469: data for a stream that the client had reset was not credited.
func TestDataForResetStreamsIsCredited(t *testing.T) {
	s := ecosystem.ServeStandard(t, h2c, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p := make([]byte, 1<<20)
		_, _ = w.Write(p) // fails if the client has disconnected
	}))
	client := s.Ours(t, nil)
	for range 50 { // each leaves up to a stream's window unread
		ctx, cancel := context.WithCancel(ecosystem.Within(t))
		resp, err := client.Get(ctx, s.URL)
		require.NoError(t, err)
		_, err = resp.Body.Recv(ctx)
		require.NoError(t, err)
		cancel()
		_ = resp.Close()
	}
	resp, err := client.Get(ecosystem.Within(t), s.URL)
	require.NoError(t, err)
	p, err := resp.Bytes(t.Context())
	require.NoError(t, err)
	require.Len(t, p, 1<<20)
}

// golang/go 28204: a server that answers before it has read the body resets the stream; other streams of the connection
// continue.
func TestReplyBeforeTheBodyLeavesOtherStreams(t *testing.T) {
	s := ecosystem.Serve(t, h2c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/early" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
	}), nil)
	for _, client := range []*http.Client{s.Client(t), s.Ours(t, nil).HTTP()} {
		slow, feed := io.Pipe()
		r, err := http.NewRequestWithContext(ecosystem.Within(t), http.MethodPost, s.URL+"/slow", slow)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			resp, err := client.Do(r)
			if err == nil {
				var p []byte
				p, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if string(p) != "3000" {
					err = errors.Join(err, errors.New(string(p)))
				}
			}
			ended <- err
		}()
		for range 30 {
			_, err = feed.Write(make([]byte, 100))
			require.NoError(t, err)
			r, err := http.NewRequestWithContext(ecosystem.Within(t), http.MethodPost, s.URL+"/early", io.LimitReader(zeros{}, 4<<20))
			require.NoError(t, err)
			resp, err := client.Do(r)
			require.NoError(t, err)
			require.Equal(t, http.StatusForbidden, resp.StatusCode)
			require.NoError(t, resp.Body.Close())
		}
		require.NoError(t, feed.Close())
		require.NoError(t, <-ended)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
