package main

import (
	"fmt"

	"github.com/weir-go/weir/codec"
)

// Packet is a message in either direction: a fixed header (section 2.1) and a body, one of the types below.
type Packet struct {
	Header
	Body any // struct{} for kindPingreq and kindPingresp
}

// Header is the first byte. Only Publish uses the bits other than Kind, and Subscribe, whose QoS is 1.
type Header struct {
	Kind   Kind
	Dup    bool
	QoS    uint8
	Retain bool
}

// Kind is the type of a packet.
type Kind uint8

const (
	kindConnect    Kind = 1
	kindConnack    Kind = 2
	kindPublish    Kind = 3
	kindPuback     Kind = 4
	kindSubscribe  Kind = 8
	kindSuback     Kind = 9
	kindPingreq    Kind = 12
	kindPingresp   Kind = 13
	kindDisconnect Kind = 14
)

// Connect is a client's first packet (section 3.1). Fields that Flags does not announce are zero.
type Connect struct {
	Flags      Flags
	KeepAlive  uint16 // seconds
	Properties []Property
	Client     string
	User       string
	Password   []byte
}

// Flags announces the fields of a Connect.
type Flags struct{ User, Password, CleanStart bool }

// Connack is the answer (section 3.2).
type Connack struct {
	SessionPresent bool
	Reason         Reason
	Properties     []Property
}

// Publish is a message, in either direction (section 3.3).
type Publish struct {
	Topic      string
	ID         uint16 // 0 with QoS 0
	Properties []Property
	Payload    []byte
}

// Puback is the answer to a Publish with QoS 1 (section 3.4).
type Puback struct {
	ID uint16
	Outcome
}

// Outcome is the part that a short packet omits. A missing Reason means success.
type Outcome struct {
	Reason     *Reason
	Properties *[]Property
}

// Subscribe asks for messages (section 3.8), and Suback answers with a reason for each filter (section 3.9).
type Subscribe struct {
	ID         uint16
	Properties []Property
	Filters    []codec.Pair[string, uint8] // a topic filter, and options: the lowest two bits are the QoS
}

// Suback is the answer to a Subscribe.
type Suback struct {
	ID         uint16
	Properties []Property
	Reasons    []Reason
}

// Reason is the result of a request. Values from 128 on are failures (section 2.4).
type Reason uint8

// Property is an identifier and a value (section 2.2.2.2): a uint8, uint16, uint32, string, []byte or pair of strings.
type Property = codec.Pair[uint32, any]

// The property identifiers that the example uses.
const (
	contentType  = 0x03
	userProperty = 0x26
)

// boxed is c for values of type any.
func boxed[T any](c codec.Codec[T]) codec.Codec[any] {
	return codec.Map(c, func(v T) (any, error) { return v, nil }, func(v any) (T, error) {
		t, ok := v.(T)
		if !ok {
			return t, fmt.Errorf("%w: a %T, want a %T", codec.ErrMismatch, v, t)
		}
		return t, nil
	})
}
