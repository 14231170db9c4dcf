package http2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/chanio"
)

// raw is a peer that sends arbitrary frames and records the frames it receives.
type raw struct {
	t     *testing.T
	nc    net.Conn
	fr    *frames.Framer
	block bytes.Buffer
	enc   *hpack.Encoder

	mu   sync.Mutex
	got  []string
	over bool
}

// inRaw runs test in a synctest bubble with a server and a raw client that has sent its preface.
func inRaw(t *testing.T, cfg *Config, handle serveFunc, test func(r *raw)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		here, there := chanio.Pipe()
		server := NewServer(here, chanio.BytesOf(here.In), handle, cfg)
		served := make(chan error, 1)
		go func() {
			served <- server.Serve(context.Background())
			_ = here.Close()
		}()
		r := newRaw(t, chanio.AsNetConn(there))
		go r.read()
		_, _ = io.WriteString(r.nc, frames.ClientPreface)
		r.ok(r.fr.WriteSettings())
		r.ok(r.fr.WriteSettingsAck())
		synctest.Wait()
		defer func() {
			there.Abort(nil)
			<-served
			<-here.Done()
		}()
		test(r)
	})
}

func newRaw(t *testing.T, nc net.Conn) *raw {
	r := &raw{t: t, nc: nc, fr: frames.NewFramer(nc, nc)}
	r.fr.AllowIllegalWrites, r.fr.AllowIllegalReads = true, true
	r.enc = hpack.NewEncoder(&r.block)
	return r
}

func (r *raw) ok(err error) {
	r.t.Helper()
	require.NoError(r.t, err)
}

// read records the received frames, in words.
func (r *raw) read() {
	dec := hpack.NewDecoder(4096, nil)
	for {
		f, err := r.fr.ReadFrame()
		r.mu.Lock()
		if err != nil {
			r.over = true
			r.mu.Unlock()
			return
		}
		r.got = append(r.got, words(f, dec))
		r.mu.Unlock()
	}
}

func words(f frames.Frame, dec *hpack.Decoder) string {
	h := f.Header()
	text := fmt.Sprintf("%s %d", h.Type, h.StreamID)
	switch f := f.(type) {
	case *frames.HeadersFrame:
		fields, _ := dec.DecodeFull(f.HeaderBlockFragment())
		for _, x := range fields {
			text += " " + x.Name + "=" + x.Value
		}
		if f.StreamEnded() {
			text += " END"
		}
	case *frames.DataFrame:
		text += fmt.Sprintf(" %d", len(f.Data()))
		if f.StreamEnded() {
			text += " END"
		}
	case *frames.RSTStreamFrame:
		text += " " + f.ErrCode.String()
	case *frames.GoAwayFrame:
		text += fmt.Sprintf(" %v %s last=%d", f.ErrCode, f.DebugData(), f.LastStreamID)
	case *frames.WindowUpdateFrame:
		text += fmt.Sprintf(" %d", f.Increment)
	case *frames.PingFrame:
		text += fmt.Sprintf(" %q %v", f.Data, f.IsAck())
	}
	return text
}

// heard returns what was received, once nothing more arrives.
func (r *raw) heard() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.got, "\n")
}

// count returns the number of received frames that start with prefix.
func (r *raw) count(prefix string) (n int) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.got {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

func (r *raw) ended() bool {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

func (r *raw) encode(fields []Field) []byte {
	r.block.Reset()
	for _, f := range fields {
		_ = r.enc.WriteField(f)
	}
	return r.block.Bytes()
}

// headers opens a stream.
func (r *raw) headers(id uint32, end bool, fields []Field) error {
	return r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: id, BlockFragment: r.encode(fields), EndStream: end, EndHeaders: true})
}

// again calls f n times, or until it fails because the server has closed the connection.
func (r *raw) again(n int, f func(i int) error) {
	for i := range n {
		if f(i) != nil {
			return
		}
	}
}

// deafRaw is inRaw for a client that reads nothing.
func deafRaw(t *testing.T, test func(r *raw, server *Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		here, there := chanio.Pipe()
		server := NewServer(here, chanio.BytesOf(here.In), serveFunc(hello), nil)
		served := make(chan error, 1)
		go func() {
			served <- server.Serve(context.Background())
			_ = here.Close()
		}()
		r := newRaw(t, chanio.AsNetConn(there))
		_, _ = io.WriteString(r.nc, frames.ClientPreface)
		r.ok(r.fr.WriteSettings())
		defer func() {
			there.Abort(nil)
			<-served
			<-here.Done()
		}()
		test(r, server)
	})
}
