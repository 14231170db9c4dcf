package websocket_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// negotiated returns two Conns over a Pipe with permessage-deflate negotiated from their configs.
func negotiated(t *testing.T, client, server *websocket.Deflate, offer string) (*websocket.Conn, *websocket.Conn) {
	if offer == "" {
		offer = client.Offer()
	}
	agreed := server.Accept([]string{offer})
	require.NotNil(t, agreed)
	confirmed, err := client.Confirm([]string{agreed.String()})
	require.NoError(t, err)
	a, b := chanio.Pipe()
	c := websocket.NewConn(a, &websocket.Config{Client: true, Deflate: client, Extension: confirmed})
	s := websocket.NewConn(b, &websocket.Config{Deflate: server, Extension: agreed})
	t.Cleanup(func() {
		c.Abort(nil)
		s.Abort(nil)
	})
	return c, s
}

// sentences returns n bytes of compressible text.
func sentences(n int) string {
	words := strings.Fields("the quick brown fox jumps over a lazy dog and {\"id\": 17, \"name\": \"weir\"} repeats itself")
	var b strings.Builder
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for b.Len() < n {
		fmt.Fprintf(&b, "%s%d ", words[r.IntN(len(words))], r.IntN(50))
	}
	return b.String()[:n]
}

func TestCompressedMessagesArriveAsTheyWereInEveryMode(t *testing.T) { // 12, 13
	offers := map[string]string{
		"no takeover":        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		"takeover":           "permessage-deflate",
		"server 9 bits":      "permessage-deflate; server_max_window_bits=9",
		"server 15, no":      "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",
		"second offer":       "permessage-deflate; server_max_window_bits=99, permessage-deflate; client_max_window_bits",
		"server 8, no, both": "x-other, permessage-deflate; server_max_window_bits=8; server_no_context_takeover; client_no_context_takeover",
	}
	for name, offer := range offers {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", takeover), func(t *testing.T) {
				ctx := within(t)
				client, server := negotiated(t, &websocket.Deflate{From: 1, Takeover: takeover}, &websocket.Deflate{From: 1, Takeover: takeover}, offer)
				for _, n := range []int{0, 1, 16, 64, 256, 1024, 4096, 32768, 131072, 300, 300, 300} {
					for _, way := range [][2]*websocket.Conn{{client, server}, {server, client}} {
						sent := websocket.Text(sentences(n))
						done := make(chan error, 1)
						go func() { done <- way[0].Out.Send(ctx, sent) }()
						got, err := way[1].In.Recv(ctx)
						require.NoError(t, err)
						require.NoError(t, <-done)
						require.Equal(t, websocket.TextMessage, got.Kind)
						require.True(t, string(sent.Data) == string(got.Data), "%d bytes", n)
					}
				}
			})
		}
	}
}

// deflated returns p compressed for permessage-deflate by the standard library.
func deflated(t *testing.T, p string) string {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 9)
	require.NoError(t, err)
	_, err = io.WriteString(w, p)
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	return strings.TrimSuffix(out.String(), "\x00\x00\xff\xff")
}

// newDeflatingEcho is newEcho with compression of each message by itself negotiated, for a raw peer.
func newDeflatingEcho(t *testing.T, client bool) *raw {
	agreed := &websocket.Extension{ServerNoTakeover: true, ClientNoTakeover: true}
	_, peer := newEcho(t, client, &websocket.Config{Deflate: &websocket.Deflate{}, Extension: agreed})
	return peer
}

func compressed(isLast bool, op websocket.Opcode, payload string) websocket.Frame {
	f := frame(isLast, op, payload)
	f.RSV1 = true
	return f
}

// inflated is the inverse of deflated.
func inflated(t *testing.T, p []byte) string {
	out, err := io.ReadAll(flate.NewReader(strings.NewReader(string(p) + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	require.NoError(t, err)
	return string(out)
}

func TestCompressedMessagesMayComeInFragmentsAndPlain(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		peer := newDeflatingEcho(t, client)
		z := deflated(t, sentences(2000))
		peer.send(compressed(more, websocket.OpText, z[:10]), frame(fin, websocket.OpPing, "p"), frame(more, websocket.OpContinuation, z[10:10]), frame(fin, websocket.OpContinuation, z[10:]))
		peer.expect(websocket.OpPong, "p")
		f := peer.next()
		require.True(t, f.RSV1)
		require.Equal(t, sentences(2000), inflated(t, f.Payload))

		peer.send(text("plain"))
		f = peer.next()
		require.False(t, f.RSV1, "shorter than Deflate.From")
		require.Equal(t, "plain", string(f.Payload))

		// RFC 7692, 7.2.3.1 to 7.2.3.4
		for _, hello := range []string{
			"\xf2\x48\xcd\xc9\xc9\x07\x00", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
			"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
		} {
			peer.send(compressed(fin, websocket.OpText, hello))
			peer.expect(websocket.OpText, "Hello")
		}
	})
}

func TestWrongCompressedDataEndsTheConnection(t *testing.T) {
	bomb := strings.Repeat("\x00", 1<<20+1)
	wrong := map[string]struct {
		code   websocket.Code
		frames []websocket.Frame
	}{
		"not DEFLATE":                    {1007, []websocket.Frame{compressed(fin, websocket.OpBinary, "\xff\xff\xff")}},
		"reaches before the window":      {1007, []websocket.Frame{compressed(fin, websocket.OpText, "\x02\x03\x00")}},
		"text that is not UTF-8":         {1007, []websocket.Frame{compressed(fin, websocket.OpText, deflated(t, "\xed\xa0\x80"))}},
		"a bomb":                         {1009, []websocket.Frame{compressed(fin, websocket.OpBinary, deflated(t, bomb))}},
		"RSV1 on a fragment":             {1002, []websocket.Frame{compressed(more, websocket.OpText, "\xf2"), compressed(fin, websocket.OpContinuation, "\x48")}},
		"RSV1 on a ping":                 {1002, []websocket.Frame{compressed(fin, websocket.OpPing, "")}},
		"compressed form over the limit": {1009, []websocket.Frame{compressed(fin, websocket.OpBinary, bomb+bomb)}},
	}
	for name, w := range wrong {
		t.Run(name, func(t *testing.T) {
			roles(t, func(t *testing.T, client bool) {
				peer := newDeflatingEcho(t, client)
				for _, f := range w.frames {
					f.RSV1 = false // which the codec rejects on such frames
					p := peer.bytes(f)
					if f.Opcode != websocket.OpContinuation || w.code == 1002 {
						p[0] |= 0x40
					}
					peer.write(p)
				}
				peer.expectClose(w.code)
				peer.expectEnd()
			})
		})
	}
}

func TestPreparedMessagesAndOthersMixWithTakeover(t *testing.T) {
	ctx := within(t)
	shared := &websocket.Deflate{From: 1, Takeover: true}
	prepared, err := websocket.Prepare(websocket.Text(sentences(3000)))
	require.NoError(t, err)
	for range 2 {
		client, server := negotiated(t, &websocket.Deflate{Takeover: true}, shared, "permessage-deflate")
		for i := range 20 {
			m := websocket.Text(sentences(1000 + i%3))
			if i%4 == 2 {
				m = prepared
			}
			require.NoError(t, server.Out.Send(ctx, m))
			got, err := client.In.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, string(m.Data), string(got.Data), "message %d", i)
		}
	}
}

func TestTakeoverSavesBytes(t *testing.T) {
	sizes := map[bool]int64{}
	for _, takeover := range []bool{false, true} {
		ctx := within(t)
		client, server := negotiated(t, &websocket.Deflate{Takeover: takeover}, &websocket.Deflate{Takeover: takeover, From: 1}, "")
		for i := range 50 {
			require.NoError(t, server.Out.Send(ctx, websocket.Text(fmt.Sprintf(`{"symbol":"WEIR","price":%d,"currency":"EUR"}`, i))))
			_, err := client.In.Recv(ctx)
			require.NoError(t, err)
		}
		sizes[takeover] = server.Below().Stats().BytesOut
	}
	require.Less(t, 2*sizes[true], sizes[false])
}

func TestConnectionsBeyondMaxContextsCompressByThemselves(t *testing.T) {
	d := &websocket.Deflate{Takeover: true, MaxContexts: 2}
	offers := []string{"permessage-deflate"}
	first, second, third := d.Accept(offers), d.Accept(offers), d.Accept(offers)
	require.False(t, first.ServerNoTakeover || second.ServerNoTakeover)
	require.True(t, third.ServerNoTakeover && third.ClientNoTakeover)
	d.Abandon(first)
	require.False(t, d.Accept(offers).ServerNoTakeover)
	require.True(t, d.Accept(offers).ServerNoTakeover)

	// So does a connection on which only the client remembers, for which a server keeps a window.
	oneSided := new(websocket.Deflate)
	oneSided.Takeover, oneSided.MaxContexts = true, 1
	offer := []string{"permessage-deflate; server_no_context_takeover"}
	require.Equal(t, "permessage-deflate; server_no_context_takeover", oneSided.Accept(offer).String())
	require.Equal(t, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", oneSided.Accept(offer).String())

	// A client that has as many offers no more.
	require.Contains(t, oneSided.Offer(), "server_no_context_takeover; client_no_context_takeover")
	client := &websocket.Deflate{Takeover: true, MaxContexts: 1}
	require.NotContains(t, client.Offer(), "takeover")
	confirmed, err := client.Confirm([]string{"permessage-deflate; client_no_context_takeover"})
	require.NoError(t, err)
	require.Contains(t, client.Offer(), "takeover", "the window of the server's messages counts")
	client.Abandon(confirmed)
	client.Abandon(confirmed) // again
	require.NotContains(t, client.Offer(), "takeover")

	a, b := chanio.Pipe() // an ended connection no longer counts
	conn := websocket.NewConn(a, &websocket.Config{Deflate: d, Extension: second})
	conn.Abort(nil)
	b.Abort(nil)
	require.Eventually(t, func() bool { return !d.Accept(offers).ServerNoTakeover }, patience, 1e6)
}

func TestExtensionsAreNegotiatedAsRFC7692Says(t *testing.T) {
	var off *websocket.Deflate
	require.Nil(t, off.Accept([]string{"permessage-deflate"}))
	require.Empty(t, off.Offer())
	d := new(websocket.Deflate)
	for _, wrong := range []string{
		"", "x-webkit-deflate-frame", "permessage-deflate; unknown", "permessage-deflate; server_no_context_takeover=1",
		"permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=7",
		"permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=08",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
		"permessage-deflate; client_max_window_bits=a",
	} {
		require.Nil(t, d.Accept([]string{wrong}), wrong)
	}
	// A quoted string is no place for an offer (websockets/ws 1235).
	for _, wrong := range []string{
		`x; y=",permessage-deflate; client_max_window_bits,"`, `x; y=", permessage-deflate`,
		`permessage-deflate; server_max_window_bits="10`, `permessage-deflate; server_max_window_bits="1\0"`,
	} {
		require.Nil(t, d.Accept([]string{wrong}), wrong)
		_, err := d.Confirm([]string{wrong + "; server_no_context_takeover"})
		require.ErrorIs(t, err, websocket.ErrExtension, wrong)
	}
	x := d.Accept([]string{`x; y="z", permessage-deflate; server_max_window_bits="10"; client_max_window_bits`})
	require.Equal(t, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10", x.String())

	for _, wrong := range []string{
		"permessage-deflate", "x-other", "permessage-deflate; server_no_context_takeover, x-other",
		"permessage-deflate; server_no_context_takeover; client_max_window_bits", "permessage-deflate; server_no_context_takeover; a=b",
	} {
		_, err := d.Confirm([]string{wrong})
		require.ErrorIs(t, err, websocket.ErrExtension, wrong)
	}
	_, err := off.Confirm([]string{"permessage-deflate"})
	require.ErrorIs(t, err, websocket.ErrExtension)
	none, err := d.Confirm(nil)
	require.NoError(t, err)
	require.Nil(t, none)
}
