package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers/httpd"
)

// greet is one handler for all versions: it answers a request, and sends the same text to a WebSocket.
func greet(w http.ResponseWriter, r *http.Request) {
	text := "hello over " + r.Proto
	if !httpd.IsUpgrade(r) {
		fmt.Fprintln(w, text)
		return
	}
	conn, err := httpd.Upgrade(w, r, nil)
	if err != nil {
		return // it is answered
	}
	defer conn.Close()
	_ = conn.Out.Send(r.Context(), websocket.Text(text+", as a WebSocket"))
}

// answer is the traffic between a client and greet.
type answer struct {
	Version string   `json:"version"`
	Passed  []string `json:"passed"`
}

// versions calls greet in each version and returns the traffic.
func versions(w http.ResponseWriter, r *http.Request) {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		http.Error(w, "the server does not say where it is", http.StatusInternalServerError)
		return
	}
	var all []answer
	for _, way := range []struct {
		version string
		ask     func(ctx context.Context, addr string, rec *recorder) error
		show    func(rec *recorder) []string
	}{
		{"HTTP/1.1", askHTTP1, (*recorder).lines},
		{"HTTP/2, frame by frame", askHTTP2, (*recorder).frames},
		{"WebSocket", askWebSocket, (*recorder).upgraded},
	} {
		rec := &recorder{}
		passed := []string(nil)
		if err := way.ask(r.Context(), addr.String(), rec); err != nil {
			passed = []string{err.Error()}
		}
		all = append(all, answer{way.version, append(passed, way.show(rec)...)})
	}
	writeJSON(w, all)
}

func askHTTP1(ctx context.Context, addr string, rec *recorder) error {
	return get(ctx, addr, &httpc.Config{Dial: rec.dial})
}

func askHTTP2(ctx context.Context, addr string, rec *recorder) error {
	prior := new(http.Protocols)
	prior.SetUnencryptedHTTP2(true)
	return get(ctx, addr, &httpc.Config{Dial: rec.dial, Protocols: prior})
}

func get(ctx context.Context, addr string, cfg *httpc.Config) error {
	client := httpc.New(cfg)
	defer client.Close()
	resp, err := client.Get(ctx, "http://"+addr+"/greet")
	if err != nil {
		return err
	}
	_, err = resp.Text(ctx)
	return err
}

func askWebSocket(ctx context.Context, addr string, rec *recorder) error {
	client := httpc.New(&httpc.Config{Dial: rec.dial})
	defer client.Close()
	conn, err := client.DialWebSocket(ctx, "ws://"+addr+"/greet", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	for range conn.In.All(ctx) {
	}
	return conn.In.Err()
}

// recorder records the traffic of the connections that it dials.
type recorder struct {
	mu     sync.Mutex
	passed []piece
}

// piece is the data of one Read or Write.
type piece struct {
	sent bool
	data []byte
}

func (rec *recorder) dial(ctx context.Context, addr string, cfg *chanio.ConnConfig) (*chanio.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return chanio.NewConn(&recorded{nc, rec}, cfg), nil
}

func (rec *recorder) add(sent bool, data []byte) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if n := len(rec.passed); n > 0 && rec.passed[n-1].sent == sent {
		rec.passed[n-1].data = append(rec.passed[n-1].data, data...)
		return
	}
	rec.passed = append(rec.passed, piece{sent, append([]byte(nil), data...)})
}

// recorded is a connection whose traffic is recorded.
type recorded struct {
	net.Conn
	rec *recorder
}

func (c *recorded) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.rec.add(false, p[:n])
	return n, err
}

// Write records p before it is sent: the reply may be read before Write returns.
func (c *recorded) Write(p []byte) (int, error) {
	c.rec.add(true, p)
	return c.Conn.Write(p)
}

func arrow(sent bool) string {
	if sent {
		return "> "
	}
	return "< "
}

// lines formats text.
func (rec *recorder) lines() (all []string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for _, p := range rec.passed {
		for line := range strings.Lines(string(p.data)) {
			all = append(all, arrow(p.sent)+strings.TrimRight(line, "\r\n"))
		}
	}
	return all
}

// frameHead is the header of an HTTP/2 frame; see RFC 9113, section 4.1.
type frameHead struct {
	Length uint32
	Type   uint8
	Flags  uint8
	Stream uint32
}

var (
	frameHeads = codec.Record(
		codec.Field("length", func(h *frameHead) *uint32 { return &h.Length }, codec.Uint24),
		codec.Field("type", func(h *frameHead) *uint8 { return &h.Type }, codec.Uint8),
		codec.Field("flags", func(h *frameHead) *uint8 { return &h.Flags }, codec.Uint8),
		codec.Field("stream", func(h *frameHead) *uint32 { return &h.Stream }, codec.Uint32))

	frameTypes = []string{
		"DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION",
	}
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frames formats HTTP/2 frames.
func (rec *recorder) frames() (all []string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for _, p := range rec.passed {
		rest, begins := strings.CutPrefix(string(p.data), preface)
		if begins {
			all = append(all, arrow(p.sent)+"the connection preface")
		}
		for len(rest) > 0 {
			var head frameHead
			used, err := codec.UnmarshalInto(frameHeads, []byte(rest), &head)
			if err != nil || used+int(head.Length) > len(rest) {
				all = append(all, fmt.Sprintf("%s%d bytes of a frame", arrow(p.sent), len(rest)))
				break
			}
			name := fmt.Sprint("type ", head.Type)
			if int(head.Type) < len(frameTypes) {
				name = frameTypes[head.Type]
			}
			all = append(all, fmt.Sprintf("%s%-13s stream %d, flags %#02x, %d bytes", arrow(p.sent), name, head.Stream, head.Flags, head.Length))
			rest = rest[used+int(head.Length):]
		}
	}
	return all
}

// upgraded formats a handshake and the WebSocket frames after it; see RFC 6455, section 5.2.
func (rec *recorder) upgraded() (all []string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for _, p := range rec.passed {
		text := string(p.data)
		if head, rest, ok := strings.Cut(text, "\r\n\r\n"); ok && strings.Contains(head, "HTTP/1.1") {
			for line := range strings.Lines(head) {
				all = append(all, arrow(p.sent)+strings.TrimRight(line, "\r\n"))
			}
			text = rest
		}
		for len(text) >= 2 {
			frame, rest := cutFrame(text)
			all = append(all, arrow(p.sent)+frame)
			text = rest
		}
	}
	return all
}

// cutFrame describes the first frame of a WebSocket.
func cutFrame(text string) (what, rest string) {
	opcodes := map[byte]string{0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
	length, at := int(text[1]&0x7f), 2
	if length == 126 && len(text) >= 4 {
		length, at = int(binary.BigEndian.Uint16([]byte(text[2:4]))), 4
	}
	masked := text[1]&0x80 != 0
	if masked {
		at += 4
	}
	end := min(at+length, len(text))
	what = fmt.Sprintf("%s frame, %d bytes", opcodes[text[0]&0x0f], length)
	if masked {
		what += ", masked"
	}
	return what, text[end:]
}
