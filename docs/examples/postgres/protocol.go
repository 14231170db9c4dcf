package main

import "github.com/weir-go/weir/codec"

// startup is the codec of a Startup, of protocol 3.0.
//
//	Startup{{"user", "a"}}:
//	+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
//	| 00 | 00 | 00 | 10 | 00 | 03 | 00 | 00 | 75 | 73 | 65 | 72 | 00 | 61 | 00 | 00 |
//	+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
var startup = sized(codec.Between(
	codec.Const("\x00\x03\x00\x00"), codec.As[Startup](codec.Suffixed(codec.ToEnd(codec.PairOf(text, text)), "\x00")), nil))

// frontend is the codec of a client's messages: a tag, a length that counts itself, and a body.
//
//	Query("x"):
//	+----+----+----+----+----+----+----+
//	| 51 | 00 | 00 | 00 | 06 | 78 | 00 |
//	+----+----+----+----+----+----+----+
var frontend = codec.OneOf(codec.Uint8,
	codec.Case[Message](byte('Q'), sized(codec.As[Query](text))),
	codec.Case[Message](byte('p'), sized(codec.As[Password](text))),
	codec.Case[Message](byte('X'), sized(codec.Empty[Terminate]())))

// backend is the codec of a server's messages.
//
//	DataRow{"x", NULL}:
//	+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
//	| 44 | 00 | 00 | 00 | 0f | 00 | 02 | 00 | 00 | 00 | 01 | 78 | ff | ff | ff | ff |
//	+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
var backend = codec.OneOf(codec.Uint8,
	codec.Case[Message](byte('R'), sized(codec.Record(
		codec.Field("kind", func(a *Authentication) *uint32 { return &a.Kind }, codec.Uint32),
		codec.Field("data", func(a *Authentication) *[]byte { return &a.Data }, codec.Bytes)))),
	codec.Case[Message](byte('S'), sized(codec.As[ParameterStatus](codec.PairOf(text, text)))),
	codec.Case[Message](byte('K'), sized(codec.Struct[BackendKeyData]())),
	codec.Case[Message](byte('Z'), sized(codec.As[ReadyForQuery](codec.Uint8))),
	codec.Case[Message](byte('T'), sized(codec.As[RowDescription](codec.Repeated(codec.Uint16, codec.Record(
		codec.Field("name", func(c *Column) *string { return &c.Name }, text),
		codec.Field("type", func(c *Column) *ColumnType { return &c.Type }, codec.Struct[ColumnType]())))))),
	codec.Case[Message](byte('D'), sized(codec.As[DataRow](codec.Repeated(codec.Uint16, codec.Nullable(codec.Int32, codec.String))))),
	codec.Case[Message](byte('C'), sized(codec.As[CommandComplete](text))),
	codec.Case[Message](byte('I'), sized(codec.Empty[EmptyQuery]())),
	codec.Case[Message](byte('E'), sized(codec.As[Failure](details))),
	codec.Case[Message](byte('N'), sized(codec.As[Notice](details))),
	codec.Default[Message](sized(codec.Bytes),
		func(tag byte, body []byte) Unknown { return Unknown{tag, body} },
		func(u Unknown) (byte, []byte) { return u.Tag, u.Body }))

var (
	text    = codec.Delimited(codec.String, "\x00")
	details = codec.Suffixed(codec.ToEnd(codec.PairOf(codec.Uint8, text)), "\x00")
)

// sized is c after its length, which counts itself.
func sized[T any](c codec.Codec[T]) codec.Codec[T] {
	return codec.Prefixed(codec.Uint32, c, codec.Adjust(4))
}
