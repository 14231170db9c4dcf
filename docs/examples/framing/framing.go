// Package framing has common layouts of length fields as codecs. Each example has the text "HELLO, WORLD", 12 bytes.
package framing

import (
	"hash/crc32"

	"github.com/weir-go/weir/codec"
)

// Plain is a length of two bytes and the body. The codec adds the length when encoding and strips it when decoding.
//
//	+---------+----------------+
//	| 00 0c   | "HELLO, WORLD" |
//	+---------+----------------+
var Plain = codec.Prefixed(codec.Uint16, codec.String)

// Kept is the same layout, but the value includes the length: the program sees all 14 bytes.
var Kept = codec.Map(Plain,
	func(body string) (string, error) {
		return string([]byte{byte(len(body) >> 8), byte(len(body))}) + body, nil
	},
	func(whole string) (string, error) {
		if len(whole) < 2 || int(whole[0])<<8|int(whole[1]) != len(whole)-2 {
			return "", codec.ErrMismatch
		}
		return whole[2:], nil
	})

// Whole has a length that counts itself: 14.
//
//	+---------+----------------+
//	| 00 0e   | "HELLO, WORLD" |
//	+---------+----------------+
var Whole = codec.Prefixed(codec.Uint16, codec.String, codec.Adjust(2))

// HeaderFirst has a header before a length of three bytes.
//
//	+---------+----------+----------------+
//	| ca fe   | 00 00 0c | "HELLO, WORLD" |
//	+---------+----------+----------------+
var HeaderFirst = codec.PairOf(codec.Uint16, codec.Prefixed(codec.Uint24, codec.String))

// HeaderBehind has a header between the length and the body, which the length does not count.
//
//	+----------+---------+----------------+
//	| 00 00 0c | ca fe   | "HELLO, WORLD" |
//	+----------+---------+----------------+
var HeaderBehind = codec.Prefixed(codec.Uint24, codec.PairOf(codec.Uint16, codec.String), codec.Adjust(-2))

// HeadersAround has one header before the length and one after it; the length counts only the body.
//
//	+----+---------+----+----------------+
//	| ca | 00 0c   | fe | "HELLO, WORLD" |
//	+----+---------+----+----------------+
var HeadersAround = codec.PairOf(codec.Uint8,
	codec.Prefixed(codec.Uint16, codec.PairOf(codec.Uint8, codec.String), codec.Adjust(-1)))

// HeadersAroundWhole is the same, and the length counts the whole message: 16.
//
//	+----+---------+----+----------------+
//	| ca | 00 10   | fe | "HELLO, WORLD" |
//	+----+---------+----+----------------+
var HeadersAroundWhole = codec.PairOf(codec.Uint8,
	codec.Prefixed(codec.Uint16, codec.PairOf(codec.Uint8, codec.String), codec.Adjust(3)))

// Trailer has a little-endian length that includes a checksum after the body.
//
//	+-------------+----------------+-------------+
//	| 10 00 00 00 | "HELLO, WORLD" | a2 88 07 80 |
//	+-------------+----------------+-------------+
var Trailer = codec.Prefixed(codec.Uint32LE, codec.Checksum(codec.String, codec.Uint32, crc32.ChecksumIEEE))

// SumFirst has the checksum of the body before it. The length counts only the body.
//
//	+---------+-------------+----------------+
//	| 00 0c   | a2 88 07 80 | "HELLO, WORLD" |
//	+---------+-------------+----------------+
var SumFirst = codec.Map(
	codec.Prefixed(codec.Uint16, codec.PairOf(codec.Uint32, codec.String), codec.Adjust(-4)),
	func(p codec.Pair[uint32, string]) (string, error) {
		if crc32.ChecksumIEEE([]byte(p.Second)) != p.First {
			return "", codec.ErrMismatch
		}
		return p.Second, nil
	},
	func(body string) (codec.Pair[uint32, string], error) {
		return codec.Pair[uint32, string]{First: crc32.ChecksumIEEE([]byte(body)), Second: body}, nil
	})
