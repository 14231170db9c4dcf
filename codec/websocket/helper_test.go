package websocket_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
)

// patience bounds each wait of a test; none should take that long.
const patience = 20 * time.Second

func within(t *testing.T) context.Context {
	if time.Now().Year() < 2010 { // in a synctest bubble, which detects a deadlock by itself
		return t.Context()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// roles runs a test with the Conn under test as the server, then as the client.
func roles(t *testing.T, f func(t *testing.T, client bool)) {
	t.Run("server", func(t *testing.T) { f(t, false) })
	t.Run("client", func(t *testing.T) { f(t, true) })
}

// raw is the peer of a Conn that sends and receives frames and bytes, valid or not.
type raw struct {
	t     *testing.T
	ctx   context.Context
	conn  *chanio.Conn
	masks bool // it is the client
}

// newRaw returns a Conn in one role and its raw peer in the other.
func newRaw(t *testing.T, client bool, cfg *websocket.Config) (*websocket.Conn, *raw) {
	a, b := chanio.Pipe()
	c := websocket.Config{}
	if cfg != nil {
		c = *cfg
	}
	c.Client = client
	conn := websocket.NewConn(a, &c)
	t.Cleanup(func() {
		conn.Abort(errors.New("test is over"))
		b.Abort(nil)
	})
	return conn, &raw{t: t, ctx: within(t), conn: b, masks: !client}
}

// newEcho is newRaw with a Conn that echoes messages.
func newEcho(t *testing.T, client bool, cfg *websocket.Config) (*websocket.Conn, *raw) {
	conn, peer := newRaw(t, client, cfg)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = pipeline.Connect(peer.ctx, conn.In, conn.Out)
	}()
	t.Cleanup(func() {
		conn.Abort(errors.New("test is over"))
		<-done
	})
	return conn, peer
}

// bytes returns the wire form of a frame.
func (r *raw) bytes(f websocket.Frame) []byte {
	f.Masked = r.masks
	if r.masks {
		n := rand.Uint32()
		f.Key = [4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
	}
	p, err := codec.Marshal(websocket.Frames(64<<20), f)
	require.NoError(r.t, err)
	return p
}

func (r *raw) write(p []byte) { require.NoError(r.t, r.conn.Out.Send(r.ctx, p)) }

// writeBytewise writes each byte separately.
func (r *raw) writeBytewise(p []byte) {
	for i := range p {
		r.write(p[i : i+1])
		require.NoError(r.t, r.conn.Out.Flush(r.ctx))
	}
}

// send sends frames with one write; the conn may end after any of them.
func (r *raw) send(frames ...websocket.Frame) {
	var all []byte
	for _, f := range frames {
		all = append(all, r.bytes(f)...)
	}
	r.write(all)
}

func text(s string) websocket.Frame {
	return websocket.Frame{Fin: true, Opcode: websocket.OpText, Payload: []byte(s)}
}

func frame(fin bool, op websocket.Opcode, payload string) websocket.Frame {
	return websocket.Frame{Fin: fin, Opcode: op, Payload: []byte(payload)}
}

// next returns the next frame.
func (r *raw) next() websocket.Frame {
	r.t.Helper()
	f, err := codec.Recv(r.ctx, r.conn.In, websocket.Frames(64<<20))
	require.NoError(r.t, err)
	require.Equal(r.t, !r.masks, f.Masked, "masked")
	return f
}

// expect requires the next frame to be the given one.
func (r *raw) expect(op websocket.Opcode, payload string) {
	r.t.Helper()
	f := r.next()
	require.Equal(r.t, op, f.Opcode)
	require.True(r.t, f.Fin)
	require.Equal(r.t, payload, string(f.Payload))
}

// expectClose requires a Close frame with the given code, and the end of the stream after the peer's answer.
func (r *raw) expectClose(code websocket.Code) (reason string) {
	r.t.Helper()
	f := r.next()
	require.Equal(r.t, websocket.OpClose, f.Opcode, "%v %q", f.Opcode, f.Payload)
	if code == websocket.NoStatus {
		require.Empty(r.t, f.Payload)
		return ""
	}
	require.GreaterOrEqual(r.t, len(f.Payload), 2)
	require.Equal(r.t, code, websocket.Code(f.Payload[0])<<8|websocket.Code(f.Payload[1]), "reason %q", f.Payload[2:])
	return string(f.Payload[2:])
}

// expectEnd requires the stream to end without a reset.
func (r *raw) expectEnd() {
	r.t.Helper()
	_, err := r.conn.In.Recv(r.ctx)
	require.ErrorIs(r.t, err, io.EOF)
}

func closeFrame(code int, reason string) websocket.Frame {
	return frame(true, websocket.OpClose, string([]byte{byte(code >> 8), byte(code)})+reason)
}
