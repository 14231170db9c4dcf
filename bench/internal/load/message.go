package load

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// layout is what the messages of a Spec look like:
//
//	          ┌────────────────┬────────────┬─────────┐
//	raw       │                │ number (8) │ filler  │
//	          ├────────────────┼────────────┼─────────┤
//	u32       │ length (u32)   │ number (8) │ filler  │
//	          ├────────────────┼────────────┼─────────┼─────┐
//	lines     │                │ number (16)│ filler  │ \n  │
//	          └────────────────┴────────────┴─────────┴─────┘
//
// The number counts the requests of one connection from 0. It is big-endian, or hexadecimal in lines. A message that is
// too short has none. Each connection has its own filler. So a reply that is late, early, repeated or for another
// connection is noticed.
type layout struct {
	size   int  // of a message, with its length or newline
	reply  int  // of a reply; 0 while it is not known
	at     int  // offset of the number
	filler int  // offset of the filler
	number bool // there is a number
	framed bool // there is a length
	line   bool // the message is text and ends in a newline
}

func layoutOf(spec Spec) layout {
	l := layout{size: spec.Size, framed: spec.Codec == codecU32, line: spec.Codec == codecLines}
	l.number = spec.Size >= numberSize(spec.Codec)
	switch {
	case l.framed:
		l.at, l.size = 4, spec.Size+4
	case l.line:
		l.size = spec.Size + 1
	}
	l.reply = l.size
	l.filler = l.at
	if l.number {
		l.filler += numberSize(spec.Codec)
	}
	return l
}

// numberSize is the size of an encoded number.
func numberSize(codec string) int {
	if codec == codecLines {
		return 16
	}
	return 8
}

// put encodes the number of a message.
func (l layout) put(p []byte, n uint64) {
	if !l.line {
		binary.BigEndian.PutUint64(p[l.at:], n)
		return
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	hex.Encode(p[l.at:], b[:])
}

// take decodes the number of a message.
func (l layout) take(p []byte) (uint64, error) {
	if !l.line {
		return binary.BigEndian.Uint64(p[l.at:]), nil
	}
	var b [8]byte
	if _, err := hex.Decode(b[:], p[l.at:l.filler]); err != nil {
		return 0, errors.New("its number is not a number")
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

// fill returns a message without a number.
func (l layout) fill(spec Spec, id int) []byte {
	one := make([]byte, l.size)
	if l.framed {
		binary.BigEndian.PutUint32(one, uint32(spec.Size))
	}
	for i := l.filler; i < len(one); i++ {
		switch {
		case l.line:
			one[i] = byte('a' + (i+id)%26)
		case !spec.Zeros:
			one[i] = byte(i*7 + id*31)
		}
	}
	if l.line {
		one[len(one)-1] = '\n'
	}
	return one
}

// messages makes the requests of one connection and checks the replies.
type messages struct {
	layout
	slots []byte // a few requests, complete but for their numbers
	want  []byte // the filler and the bytes after it; http: the end of a reply

	http  bool   // the messages are HTTP requests
	frame []byte // ws: the header of a reply
	text  []byte // the text of the messages, if they are compressed

	sent, seen uint64
}

// slotBytes is roughly how much one call sends.
const slotBytes = 64 << 10

func newMessages(spec Spec, id int) *messages {
	switch spec.Codec {
	case codecHTTP:
		return newRequests(spec)
	case codecWebSocket:
		if spec.Deflate {
			return newCompressed(spec)
		}
		return newFrames(spec, id)
	}
	m := &messages{layout: layoutOf(spec)}
	one := m.fill(spec, id)
	m.want = one[m.filler:]
	room := spec.Window
	if spec.Rate > 0 {
		room = openBatch
	}
	m.slots = bytes.Repeat(one, max(1, min(room, slotBytes/m.size)))
	return m
}

// again starts a new connection: its numbers start at 0.
func (m *messages) again() { m.sent, m.seen = 0, 0 }

// next returns the bytes of the next n requests, or fewer, and their number. They are valid until the next call.
func (m *messages) next(n int) ([]byte, int) {
	n = min(n, len(m.slots)/m.size)
	p := m.slots[:n*m.size]
	for i := 0; i < len(p); i += m.size {
		switch {
		case m.number && m.frame != nil:
			m.putMasked(p[i:], m.sent)
		case m.number:
			m.put(p[i:], m.sent)
		}
		m.sent++
	}
	return p, n
}

// check checks the complete replies at the start of p and returns their number.
func (m *messages) check(p []byte) (n int, err error) {
	for ; len(p) >= m.reply; p = p[m.reply:] {
		if err := m.checkOne(p[:m.reply]); err != nil {
			return n, fmt.Errorf("reply %d: %w", m.seen, err)
		}
		m.seen++
		n++
	}
	return n, nil
}

// checkOne checks the reply that is due.
func (m *messages) checkOne(p []byte) error {
	switch {
	case m.http:
		return m.checkReply(p)
	case m.frame != nil:
		return m.checkFrame(p)
	}
	if err := m.checkBytes(p); err != nil || !m.number {
		return err
	}
	if n, err := m.take(p); err != nil || n != m.seen {
		return numbered(n, err)
	}
	return nil
}

func numbered(n uint64, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("it is numbered %d", n)
}

// checkBytes checks a reply except for its number.
func (m *messages) checkBytes(p []byte) error {
	if m.framed {
		if n := binary.BigEndian.Uint32(p); n != uint32(m.size-4) {
			return fmt.Errorf("length %d instead of %d", n, m.size-4)
		}
	}
	if !bytes.Equal(p[m.filler:], m.want) {
		return errors.New("its bytes differ from the request's")
	}
	return nil
}
