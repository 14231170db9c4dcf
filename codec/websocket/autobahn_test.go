package websocket_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// The tests in this file follow the case classes of the common conformance suite: 1 framing, 2 pings, 3 reserved bits,
// 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9 and 10 sizes. Each is derived from RFC 6455.

const (
	fin  = true
	more = false
)

func TestMessagesOfEveryLengthFormAreEchoed(t *testing.T) { // 1
	roles(t, func(t *testing.T, client bool) {
		_, peer := newEcho(t, client, nil)
		for _, op := range []websocket.Opcode{websocket.OpText, websocket.OpBinary} {
			for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 300_000} {
				payload := strings.Repeat("*", n)
				peer.send(frame(fin, op, payload))
				peer.expect(op, payload)
			}
		}
		for _, piece := range []int{1, 997, 4096} {
			p := peer.bytes(text(strings.Repeat("x", 5000)))
			for len(p) > 0 {
				n := min(piece, len(p))
				peer.write(p[:n])
				p = p[n:]
			}
			peer.expect(websocket.OpText, strings.Repeat("x", 5000))
		}
		peer.send(closeFrame(1000, ""))
		peer.expectClose(1000)
		peer.expectEnd()
	})
}

func TestPingsAreAnsweredWithTheirPayload(t *testing.T) { // 2
	roles(t, func(t *testing.T, client bool) {
		_, peer := newEcho(t, client, nil)
		for _, payload := range []string{"", "Hello, world!", "\x00\xff\xfe\xfd", strings.Repeat("\xfe", 125)} {
			peer.send(frame(fin, websocket.OpPing, payload))
			peer.expect(websocket.OpPong, payload)
		}
		peer.writeBytewise(peer.bytes(frame(fin, websocket.OpPing, strings.Repeat("\xfe", 125))))
		peer.expect(websocket.OpPong, strings.Repeat("\xfe", 125))
		peer.send(frame(fin, websocket.OpPong, "unasked"), frame(fin, websocket.OpPing, "a"))
		peer.expect(websocket.OpPong, "a")
		for i := range 10 {
			peer.send(frame(fin, websocket.OpPing, fmt.Sprint(i)))
			peer.expect(websocket.OpPong, fmt.Sprint(i))
		}
		peer.send(closeFrame(1000, ""))
		peer.expectClose(1000)
		peer.expectEnd()
	})
}

// violations lists what a peer must not send, each with the code that ends the connection.
var violations = map[string]struct {
	code   websocket.Code
	echoed string // echoed before the violation
	frames []websocket.Frame
	bytes  []byte // sent after the frames; a client's are masked with zeros
}{
	"ping longer than 125 bytes": {code: 1002, bytes: append([]byte{0x89, 0xfe, 0, 126, 0, 0, 0, 0}, make([]byte, 126)...)},
	// 3
	"RSV1 without an extension": {code: 1002, frames: []websocket.Frame{{Fin: true, RSV1: true, Opcode: websocket.OpText}}},
	"RSV2":                      {code: 1002, bytes: []byte{0xa1, 0x80, 0, 0, 0, 0}},
	"RSV3":                      {code: 1002, bytes: []byte{0x91, 0x80, 0, 0, 0, 0}},
	"all RSV on a ping":         {code: 1002, bytes: []byte{0xf9, 0x80, 0, 0, 0, 0}},
	"RSV3 behind a message":     {code: 1002, echoed: "hi", frames: []websocket.Frame{text("hi")}, bytes: []byte{0x91, 0x80, 0, 0, 0, 0}},
	// 4
	"opcode 3":                  {code: 1002, bytes: []byte{0x83, 0x80, 0, 0, 0, 0}},
	"opcode 7 behind a message": {code: 1002, echoed: "hi", frames: []websocket.Frame{text("hi")}, bytes: []byte{0x87, 0x81, 0, 0, 0, 0, 'x'}},
	"opcode 11":                 {code: 1002, bytes: []byte{0x8b, 0x80, 0, 0, 0, 0}},
	"opcode 15":                 {code: 1002, bytes: []byte{0x8f, 0x80, 0, 0, 0, 0}},
	// 5
	"fragmented ping":               {code: 1002, bytes: []byte{0x09, 0x80, 0, 0, 0, 0}},
	"fragmented pong":               {code: 1002, bytes: []byte{0x0a, 0x80, 0, 0, 0, 0}},
	"fragmented close":              {code: 1002, bytes: []byte{0x08, 0x80, 0, 0, 0, 0}},
	"continuation of nothing":       {code: 1002, frames: []websocket.Frame{frame(fin, websocket.OpContinuation, "x")}},
	"continuation behind a message": {code: 1002, echoed: "hi", frames: []websocket.Frame{text("hi"), frame(more, websocket.OpContinuation, "x")}},
	"message within a message":      {code: 1002, frames: []websocket.Frame{frame(more, websocket.OpText, "a"), text("b")}},
	// 6
	"text that is not UTF-8":          {code: 1007, frames: []websocket.Frame{text("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited")}},
	"surrogate across fragments":      {code: 1007, frames: []websocket.Frame{frame(more, websocket.OpText, "\xed"), frame(fin, websocket.OpContinuation, "\xa0\x80")}},
	"beyond U+10FFFF, before its end": {code: 1007, frames: []websocket.Frame{frame(more, websocket.OpText, "\xf4\x90")}},
	"overlong":                        {code: 1007, frames: []websocket.Frame{text("\xc0\xaf")}},
	"cut character":                   {code: 1007, frames: []websocket.Frame{text("\xce\xba\xe1\xbd")}},
	"cut character in fragments":      {code: 1007, frames: []websocket.Frame{frame(more, websocket.OpText, "\xe1"), frame(fin, websocket.OpContinuation, "\xbd")}},
	// 7
	"close of one byte":          {code: 1002, frames: []websocket.Frame{frame(fin, websocket.OpClose, "x")}},
	"close reason not UTF-8":     {code: 1007, frames: []websocket.Frame{closeFrame(1000, "\xce\xba\xed\xa0\x80")}},
	"close longer than 125":      {code: 1002, bytes: append([]byte{0x88, 0xfe, 0, 126, 0, 0, 0, 0, 3, 0xe8}, make([]byte, 124)...)},
	"length not shortest, 16":    {code: 1002, bytes: []byte{0x82, 0xfe, 0, 5, 0, 0, 0, 0}},
	"length not shortest, 64":    {code: 1002, bytes: []byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}},
	"length of 64 bits":          {code: 1002, bytes: []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	"frame over the limit":       {code: 1009, bytes: []byte{0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0}},
	"largest length":             {code: 1009, bytes: []byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}},
	"message over the limit":     {code: 1009, frames: []websocket.Frame{frame(more, websocket.OpBinary, strings.Repeat("x", 1<<20)), frame(more, websocket.OpContinuation, "x")}},
	"reserved bit on a fragment": {code: 1002, frames: []websocket.Frame{frame(more, websocket.OpText, "a")}, bytes: []byte{0xc0, 0x80, 0, 0, 0, 0}},
}

// unmasked returns the bytes that a server sends for bytes of a client, which are masked with zeros.
func unmasked(p []byte) []byte {
	n := 2
	switch p[1] & 0x7f {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	q := append([]byte(nil), p[:n]...)
	q[1] &= 0x7f
	return append(q, p[n+4:]...)
}

func TestViolationsEndTheConnectionWithTheirCode(t *testing.T) { // 2 to 7
	for name, v := range violations {
		t.Run(name, func(t *testing.T) {
			roles(t, func(t *testing.T, client bool) {
				conn, peer := newEcho(t, client, nil)
				for _, f := range v.frames {
					if f.RSV1 {
						p := peer.bytes(websocket.Frame{Fin: f.Fin, Opcode: f.Opcode})
						p[0] |= 0x40
						peer.write(p)
						continue
					}
					peer.send(f)
				}
				if p := v.bytes; p != nil {
					if client {
						p = unmasked(p)
					}
					peer.write(p)
				}
				if v.echoed != "" {
					peer.expect(websocket.OpText, v.echoed)
				}
				peer.expectClose(v.code)
				peer.expectEnd()
				var end *websocket.CloseError
				<-conn.In.Done()
				require.ErrorAs(t, conn.In.Err(), &end)
				require.Equal(t, v.code, end.Code)
				require.True(t, end.Local)
			})
		})
	}
}

func TestFragmentsAreJoinedWithControlFramesBetweenThem(t *testing.T) { // 5
	roles(t, func(t *testing.T, client bool) {
		_, peer := newEcho(t, client, nil)
		peer.send(frame(more, websocket.OpText, "fragment1"), frame(fin, websocket.OpPing, "p"), frame(fin, websocket.OpContinuation, "fragment2"))
		peer.expect(websocket.OpPong, "p")
		peer.expect(websocket.OpText, "fragment1fragment2")

		peer.send(frame(more, websocket.OpBinary, ""), frame(more, websocket.OpContinuation, ""), frame(fin, websocket.OpContinuation, ""))
		peer.expect(websocket.OpBinary, "")

		for i := range 5 {
			op := websocket.OpContinuation
			if i == 0 {
				op = websocket.OpText
			}
			peer.send(frame(i == 4, op, fmt.Sprint("f", i)))
			if i < 4 {
				peer.send(frame(fin, websocket.OpPing, fmt.Sprint("ping", i)))
				peer.expect(websocket.OpPong, fmt.Sprint("ping", i))
			}
		}
		peer.expect(websocket.OpText, "f0f1f2f3f4")
	})
}

func TestTextIsCheckedAcrossFragmentsAndBytes(t *testing.T) { // 6
	const greek = "κόσμε\U0001F600\u007f߿ࠀ�\U0010FFFF\x00"
	roles(t, func(t *testing.T, client bool) {
		_, peer := newEcho(t, client, nil)
		peer.send(text(greek))
		peer.expect(websocket.OpText, greek)
		peer.writeBytewise(peer.bytes(text(greek)))
		peer.expect(websocket.OpText, greek)
		for i := range len(greek) {
			op := websocket.OpContinuation
			if i == 0 {
				op = websocket.OpText
			}
			peer.send(frame(i == len(greek)-1, op, greek[i:i+1]))
		}
		peer.expect(websocket.OpText, greek)
	})
}

// TestTextIsRefusedBeforeItsFrameIsWhole requires the connection to fail before the rest of the frame arrives.
func TestTextIsRefusedBeforeItsFrameIsWhole(t *testing.T) { // 6.4
	roles(t, func(t *testing.T, client bool) {
		_, peer := newEcho(t, client, nil)
		p := peer.bytes(text("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited"))
		peer.write(p[:len(p)-8])
		peer.expectClose(1007)
		peer.expectEnd()
	})
}

func TestPeersCloseIsEchoed(t *testing.T) { // 7
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		roles(t, func(t *testing.T, client bool) {
			conn, peer := newEcho(t, client, nil)
			reason := strings.Repeat("r", 123)
			peer.send(text("before"))
			peer.expect(websocket.OpText, "before")
			peer.send(closeFrame(code, reason), text("behind"))
			peer.expectClose(websocket.Code(code))
			peer.expectEnd()
			got, why, ok := conn.CloseStatus()
			require.True(t, ok)
			require.Equal(t, websocket.Code(code), got)
			require.Equal(t, reason, why)
		})
	}
}

func TestCloseWithoutACodeIsEchoedWithoutOne(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newEcho(t, client, nil)
		peer.send(frame(fin, websocket.OpClose, ""))
		peer.expectClose(websocket.NoStatus)
		peer.expectEnd()
		code, _, ok := conn.CloseStatus()
		require.True(t, ok)
		require.Equal(t, websocket.NoStatus, code)
	})
}

func TestInvalidCloseCodesAreProtocolErrors(t *testing.T) { // 7.9
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		roles(t, func(t *testing.T, client bool) {
			_, peer := newEcho(t, client, nil)
			peer.send(closeFrame(code, ""))
			peer.expectClose(1002)
			peer.expectEnd()
		})
	}
}

// TestPingBehindACloseIsNotAnswered covers 7.1.3 to 7.1.5.
func TestPingBehindACloseIsNotAnswered(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		_, peer := newEcho(t, client, nil)
		peer.send(frame(more, websocket.OpText, "begun"), closeFrame(1000, ""), frame(fin, websocket.OpPing, "x"))
		peer.expectClose(1000)
		peer.expectEnd()
	})
}

func TestLargeMessagesInFewAndManyFrames(t *testing.T) { // 9
	const size = 4 << 20
	cfg := &websocket.Config{MaxMessage: size, MaxFragments: size}
	payload := strings.Repeat("Bär!", size/5)
	roles(t, func(t *testing.T, client bool) {
		for _, piece := range []int{size, 256 << 10, 1 << 10} {
			conn, peer := newEcho(t, client, cfg)
			go func() {
				op := websocket.OpText
				for p := payload; ; op = websocket.OpContinuation {
					n := min(piece, len(p))
					last := n == len(p)
					if peer.conn.Out.Send(peer.ctx, peer.bytes(frame(last, op, p[:n]))) != nil || last {
						return
					}
					p = p[n:]
				}
			}()
			f := peer.next()
			require.Equal(t, websocket.OpText, f.Opcode)
			require.True(t, payload == string(f.Payload), "echoed otherwise")
			peer.send(closeFrame(1000, ""))
			peer.expectClose(1000)
			_ = conn
		}
	})
}

func TestMessageInManyChops(t *testing.T) { // 10
	roles(t, func(t *testing.T, client bool) {
		_, peer := newEcho(t, client, nil)
		payload := strings.Repeat("*", 65536)
		p := peer.bytes(text(payload))
		for len(p) > 0 {
			n := min(1300, len(p))
			peer.write(p[:n])
			p = p[n:]
		}
		peer.expect(websocket.OpText, payload)
	})
}
