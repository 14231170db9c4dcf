package websocket

import "fmt"

// Opcode is the type of a frame; RFC 6455, 5.2.
type Opcode uint8

// The opcodes that RFC 6455 defines.
const (
	OpContinuation Opcode = 0
	OpText         Opcode = 1
	OpBinary       Opcode = 2
	OpClose        Opcode = 8
	OpPing         Opcode = 9
	OpPong         Opcode = 10
)

// IsControl reports whether the opcode is that of a control frame, which may come between the frames of a message, is
// not fragmented, and has at most 125 bytes.
func (o Opcode) IsControl() bool { return o&8 != 0 }

// String returns the name of the opcode.
func (o Opcode) String() string {
	switch o {
	case OpContinuation:
		return "continuation"
	case OpText:
		return "text"
	case OpBinary:
		return "binary"
	case OpClose:
		return "close"
	case OpPing:
		return "ping"
	case OpPong:
		return "pong"
	}
	return fmt.Sprintf("opcode %d", uint8(o))
}

func (o Opcode) known() bool { return o <= OpBinary || o >= OpClose && o <= OpPong }
