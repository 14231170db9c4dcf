package websocket

import "fmt"

// Kind is the kind of a [Message]: text, which is UTF-8, or binary. The values are the opcodes of RFC 6455, 5.6.
type Kind uint8

// The kinds of messages.
const (
	TextMessage   Kind = 1
	BinaryMessage Kind = 2
)

// String returns "text" or "binary".
func (k Kind) String() string {
	switch k {
	case TextMessage:
		return "text"
	case BinaryMessage:
		return "binary"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Message is one whole message, regardless of the number of its frames. The receiver owns Data. A sender may modify Data
// when Send has returned.
type Message struct {
	Kind Kind
	Data []byte

	extra *extra
}

// extra is what few messages have.
type extra struct {
	prepared *prepared
	lease    *lease
	parts    bool // Data is a piece of a message
	last     bool // and the last one
}

// Text returns a text message. s must be UTF-8; otherwise Send rejects it.
func Text(s string) Message { return Message{Kind: TextMessage, Data: []byte(s)} }

// Binary returns a binary message of p, which is not copied.
func Binary(p []byte) Message { return Message{Kind: BinaryMessage, Data: p} }

// String returns the data of a text message, and for a binary one its length.
func (m Message) String() string {
	if m.Kind == TextMessage {
		return string(m.Data)
	}
	return fmt.Sprintf("%d bytes (%s)", len(m.Data), m.Kind)
}
