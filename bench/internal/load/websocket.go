package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 requires it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// WebSocket messages are binary, with one frame each, and masked, as RFC 6455 requires of a client. All have the same key,
// which costs a server as much as different ones. Replies are the same without the mask.
//
//	          ┌──────────────────┬─────────┬────────────┬─────────┐
//	request   │ header (2,4,10)  │ key (4) │ number (8) │ filler  │
//	          ├──────────────────┼─────────┼────────────┼─────────┤
//	reply     │ header (2,4,10)  │         │ number (8) │ filler  │
//	          └──────────────────┴─────────┴────────────┴─────────┘
const maskKey = 0x9A3C5EF1

// newFrames returns the messages of one WebSocket connection.
func newFrames(spec Spec, id int) *messages {
	head := frameHead(spec.Size)
	payload := make([]byte, spec.Size)
	for i := range payload {
		if !spec.Zeros {
			payload[i] = byte(i*7 + id*31)
		}
	}
	m := &messages{frame: head}
	m.number = spec.Size >= numberSize(codecWebSocket)
	m.at = len(head)
	m.filler = m.at
	if m.number {
		m.filler += numberSize(codecWebSocket)
	}
	m.reply = len(head) + spec.Size
	m.want = payload[m.filler-m.at:]
	m.mask(spec, head, payload)
	return m
}

// mask returns the requests for a header and a payload that are not masked.
func (m *messages) mask(spec Spec, head, payload []byte) {
	one := bytes.Clone(head)
	one[1] |= 0x80
	one = binary.BigEndian.AppendUint32(one, maskKey)
	for i, b := range payload {
		one = append(one, b^byte(uint32(maskKey)>>(24-i%4*8)))
	}
	room := spec.Window
	if spec.Rate > 0 {
		room = openBatch
	}
	m.size = len(one)
	m.slots = bytes.Repeat(one, max(1, min(room, slotBytes/m.size)))
}

// frameHead returns the header of an unmasked frame.
func frameHead(size int) []byte {
	const finBinary = 0x82
	switch {
	case size < 126:
		return []byte{finBinary, byte(size)}
	case size < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{finBinary, 126}, uint16(size))
	}
	return binary.BigEndian.AppendUint64([]byte{finBinary, 127}, uint64(size))
}

// putMasked encodes the number of a message.
func (m *messages) putMasked(p []byte, n uint64) {
	binary.BigEndian.PutUint64(p[m.at+4:], n^(maskKey<<32|maskKey))
}

// checkFrame checks the reply that is due.
func (m *messages) checkFrame(p []byte) error {
	switch {
	case !bytes.HasPrefix(p, m.frame):
		return fmt.Errorf("it begins with % x instead of % x", p[:len(m.frame)], m.frame)
	case !bytes.Equal(p[m.filler:], m.want):
		return errors.New("its bytes differ from the request's")
	case m.number:
		if n := binary.BigEndian.Uint64(p[m.at:]); n != m.seen {
			return numbered(n, nil)
		}
	}
	return nil
}

// closing is a Close frame with code 1000, masked with a key of zeros.
const closing = "\x88\x82\x00\x00\x00\x00\x03\xe8"

// leaveSocket closes a WebSocket gracefully: the target must answer the Close frame and end the connection.
func (w *worker) leaveSocket() error {
	if _, err := io.WriteString(w.conn, closing); err != nil {
		return err
	}
	const most = 2 + 125
	answer, err := io.ReadAll(io.LimitReader(w.conn, most+1))
	switch {
	case err != nil:
		return fmt.Errorf("instead of the end of the stream: %w", err)
	case len(answer) > most || len(answer) < 2 || answer[0] != closing[0] || int(answer[1]) != len(answer)-2:
		return fmt.Errorf("the answer to the Close frame begins with % x", answer[:min(len(answer), 4)])
	}
	return w.conn.Close()
}

// upgrade performs the handshake of a WebSocket.
func (e endpoint) upgrade(ctx context.Context, conn net.Conn, deflate bool) error {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	extension := ""
	if deflate {
		extension = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	}
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%s"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", e.socket, e.address, extension, key)
	if err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455 requires it
	switch {
	case r.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("the server is no WebSocket: %s", r.Status)
	case r.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("Sec-WebSocket-Accept does not answer the key")
	case deflate && !strings.Contains(r.Header.Get("Sec-WebSocket-Extensions"), "server_no_context_takeover"):
		return errors.New("the server does not compress each message by itself")
	case in.Buffered() > 0:
		return errors.New("the server speaks first")
	}
	return nil
}
