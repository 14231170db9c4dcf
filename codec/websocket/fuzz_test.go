package websocket_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
)

// received returns the messages of a Conn that receives bytes in two pieces, and the code with which it ends.
func received(t *testing.T, client, deflate bool, pieces ...[]byte) (all []string, code websocket.Code) {
	in := chanio.FromSlice(pieces)
	out := chanio.ToWriter(discard{})
	cfg := &websocket.Config{Client: client, MaxMessage: 1 << 16, MaxFragments: 50, PingAfter: -1}
	if deflate {
		cfg.Deflate, cfg.Extension = &websocket.Deflate{}, &websocket.Extension{}
	}
	conn := websocket.NewConn(chanio.ConnOf(in, out, nil), cfg)
	defer conn.Abort(nil)
	for {
		m, err := conn.In.Recv(context.Background())
		var end *websocket.CloseError
		switch {
		case err == nil:
			require.LessOrEqual(t, len(m.Data), 1<<16)
			all = append(all, m.Kind.String()+" "+string(m.Data))
			continue
		case errors.As(err, &end):
			return all, end.Code
		}
		return all, 0
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func FuzzConn(f *testing.F) {
	for _, v := range violations {
		f.Add(v.bytes, 3, false, false)
		f.Add(v.bytes, 3, true, true)
	}
	add := func(frames ...websocket.Frame) {
		for _, masked := range []bool{false, true} {
			var all []byte
			for _, fr := range frames {
				fr.Masked, fr.Key = masked, [4]byte{1, 2, 3, 4}
				p, err := codec.Marshal(websocket.Frames(0), fr)
				require.NoError(f, err)
				all = append(all, p...)
			}
			f.Add(all, len(all)/2, !masked, true)
			f.Add(all, 1, !masked, false)
		}
	}
	add(text("hello"), frame(fin, websocket.OpPing, "x"), closeFrame(1000, "r"))
	add(frame(more, websocket.OpText, "κό"), frame(fin, websocket.OpContinuation, "σμε"))
	add(compressed(fin, websocket.OpText, "\xf2\x48\xcd\xc9\xc9\x07\x00"), closeFrame(4000, ""))
	add(frame(fin, websocket.OpBinary, strings.Repeat("x", 70_000)))
	f.Fuzz(func(t *testing.T, p []byte, cut int, client, deflate bool) {
		cut = min(max(cut, 0), len(p))
		whole, code := received(t, client, deflate, p)
		pieces, pieceCode := received(t, client, deflate, p[:cut], p[cut:])
		require.Equal(t, whole, pieces)
		require.Equal(t, code, pieceCode)
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x81, 0x05, 'H', 'e', 'l', 'l', 'o'})
	f.Add([]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58})
	f.Add([]byte{0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, p []byte) {
		c := websocket.Frames(1 << 16)
		var fr websocket.Frame
		n, err := codec.UnmarshalInto(c, p, &fr)
		if err != nil {
			return
		}
		again, err := codec.Marshal(c, fr)
		require.NoError(t, err)
		require.Equal(t, p[:n], again)
	})
}

func TestFramesAreAsInRFC6455(t *testing.T) {
	c := websocket.Frames(0)
	for want, f := range map[string]websocket.Frame{ // 5.7
		"\x81\x05Hello": text("Hello"),
		"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58": {Fin: true, Opcode: websocket.OpText, Masked: true, Key: [4]byte{0x37, 0xfa, 0x21, 0x3d}, Payload: []byte("Hello")},
		"\x01\x03Hel":   frame(more, websocket.OpText, "Hel"),
		"\x80\x02lo":    frame(fin, websocket.OpContinuation, "lo"),
		"\x89\x05Hello": frame(fin, websocket.OpPing, "Hello"),
		"\x82\x7e\x01\x00" + strings.Repeat("x", 256):                           frame(fin, websocket.OpBinary, strings.Repeat("x", 256)),
		"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat("x", 65536): frame(fin, websocket.OpBinary, strings.Repeat("x", 65536)),
	} {
		p, err := codec.Marshal(c, f)
		require.NoError(t, err)
		require.Equal(t, want, string(p))
		got, err := codec.Unmarshal(c, p)
		require.NoError(t, err)
		require.Equal(t, f, got)
	}
	_, err := codec.Marshal(c, frame(more, websocket.OpPing, ""))
	require.Error(t, err)
	_, err = codec.Marshal(websocket.Frames(3), text("four"))
	require.ErrorIs(t, err, codec.ErrTooLarge)
}
