package main

import "github.com/weir-go/weir/codec"

// packet is the codec of MQTT 5.0: a fixed header, and after its length a body whose type depends on the header.
//
//	Packet{Header{Kind: kindPublish}, Publish{Topic: "a", Payload: []byte("hi")}}:
//	| 30 | 06 | 00 | 01 | 61 | 00 | 68 | 69 |
var packet = codec.Record(
	codec.Field("header", func(p *Packet) *Header { return &p.Header }, codec.Bits(codec.Uint8,
		codec.BitField("kind", 4, func(h *Header) *Kind { return &h.Kind }),
		codec.BitFlag("dup", func(h *Header) *bool { return &h.Dup }),
		codec.BitField("qos", 2, func(h *Header) *uint8 { return &h.QoS }),
		codec.BitFlag("retain", func(h *Header) *bool { return &h.Retain }))),
	codec.FieldBy("body", func(p *Packet) *any { return &p.Body }, func(p Packet) codec.Codec[any] {
		if p.Kind == kindPublish && p.QoS == 0 {
			return publishOnce
		}
		return bodies[p.Kind]
	}))

var bodies = map[Kind]codec.Codec[any]{
	kindConnect: body(codec.Record(
		codec.Literal[Connect](codec.Const("\x00\x04MQTT\x05")),
		codec.Field("flags", func(c *Connect) *Flags { return &c.Flags }, codec.Bits(codec.Uint8,
			codec.BitFlag("user", func(f *Flags) *bool { return &f.User }),
			codec.BitFlag("password", func(f *Flags) *bool { return &f.Password }),
			codec.SpareBits[Flags](4), // a will, which the example does not support
			codec.BitFlag("clean start", func(f *Flags) *bool { return &f.CleanStart }),
			codec.SpareBits[Flags](1))),
		codec.Field("keep alive", func(c *Connect) *uint16 { return &c.KeepAlive }, codec.Uint16),
		codec.Field("properties", func(c *Connect) *[]Property { return &c.Properties }, properties),
		codec.Field("client", func(c *Connect) *string { return &c.Client }, text),
		codec.FieldIf("user", func(c *Connect) *string { return &c.User }, text, func(c Connect) bool { return c.Flags.User }),
		codec.FieldIf("password", func(c *Connect) *[]byte { return &c.Password }, data, func(c Connect) bool { return c.Flags.Password }))),
	kindConnack: body(codec.Record(
		codec.Field("session present", func(c *Connack) *bool { return &c.SessionPresent }, codec.Bool),
		codec.Field("reason", func(c *Connack) *Reason { return &c.Reason }, reason),
		codec.Field("properties", func(c *Connack) *[]Property { return &c.Properties }, properties))),
	kindPublish: body(publish(codec.Uint16)),
	kindPuback: body(codec.Record(
		codec.Field("id", func(a *Puback) *uint16 { return &a.ID }, codec.Uint16),
		codec.Field("outcome", func(a *Puback) *Outcome { return &a.Outcome }, outcome))),
	kindSubscribe: body(codec.Record(
		codec.Field("id", func(s *Subscribe) *uint16 { return &s.ID }, codec.Uint16),
		codec.Field("properties", func(s *Subscribe) *[]Property { return &s.Properties }, properties),
		codec.Field("filters", func(s *Subscribe) *[]codec.Pair[string, uint8] { return &s.Filters }, codec.ToEnd(codec.PairOf(text, codec.Uint8))))),
	kindSuback: body(codec.Record(
		codec.Field("id", func(s *Suback) *uint16 { return &s.ID }, codec.Uint16),
		codec.Field("properties", func(s *Suback) *[]Property { return &s.Properties }, properties),
		codec.Field("reasons", func(s *Suback) *[]Reason { return &s.Reasons }, codec.ToEnd(reason)))),
	kindPingreq:    body(codec.Empty[struct{}]()),
	kindPingresp:   body(codec.Empty[struct{}]()),
	kindDisconnect: body(outcome),
}

var (
	publishOnce = body(publish(codec.Empty[uint16]()))
	text        = codec.Prefixed(codec.Uint16, codec.String)
	data        = codec.Prefixed(codec.Uint16, codec.Bytes)
	reason      = codec.As[Reason](codec.Uint8)
	properties  = codec.Prefixed(codec.MQTTVarint, codec.ToEnd(codec.PairBy(codec.MQTTVarint, func(id uint32) codec.Codec[any] { return values[id] })))
	outcome     = codec.Record(
		codec.Field("reason", func(o *Outcome) **Reason { return &o.Reason }, codec.OptionalTail(reason)),
		codec.Field("properties", func(o *Outcome) **[]Property { return &o.Properties }, codec.OptionalTail(properties)))
	byte1, byte2, byte4, texts, datas = boxed(codec.Uint8), boxed(codec.Uint16), boxed(codec.Uint32), boxed(text), boxed(data)
)

// publish has a packet identifier only with QoS 1 or 2.
func publish(id codec.Codec[uint16]) codec.Codec[Publish] {
	return codec.Record(
		codec.Field("topic", func(p *Publish) *string { return &p.Topic }, text),
		codec.Field("id", func(p *Publish) *uint16 { return &p.ID }, id),
		codec.Field("properties", func(p *Publish) *[]Property { return &p.Properties }, properties),
		codec.Field("payload", func(p *Publish) *[]byte { return &p.Payload }, codec.Bytes))
}

// values holds the codecs of properties by identifier (section 2.2.2.2).
var values = map[uint32]codec.Codec[any]{
	0x01: byte1, 0x17: byte1, 0x19: byte1, 0x24: byte1, 0x25: byte1, 0x28: byte1, 0x29: byte1, 0x2a: byte1,
	0x13: byte2, 0x21: byte2, 0x22: byte2, 0x23: byte2,
	0x02: byte4, 0x11: byte4, 0x18: byte4, 0x27: byte4,
	contentType: texts, 0x08: texts, 0x12: texts, 0x15: texts, 0x1a: texts, 0x1c: texts, 0x1f: texts,
	0x09: datas, 0x16: datas,
	0x0b:         boxed(codec.MQTTVarint),
	userProperty: boxed(codec.PairOf(text, text)),
}

func body[T any](c codec.Codec[T]) codec.Codec[any] {
	return codec.Prefixed(codec.MQTTVarint, boxed(c))
}
