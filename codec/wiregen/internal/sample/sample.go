// Package sample has structs of every kind that wiregen knows, and the functions that it makes for them.
package sample

import (
	"time"

	"github.com/weir-go/weir/codec"
)

//go:generate go run github.com/weir-go/weir/codec/wiregen Numbers Trade Mixed

// The codecs with these functions.
var (
	NumbersCodec = codec.Tuned(codec.Struct[Numbers](), (*Numbers).appendWire, (*Numbers).decodeWire)
	TradeCodec   = codec.Tuned(codec.Struct[Trade](), (*Trade).appendWire, (*Trade).decodeWire)
	MixedCodec   = codec.Tuned(codec.Struct[Mixed](), (*Mixed).appendWire, (*Mixed).decodeWire)
)

// Numbers is twelve of them.
type Numbers struct {
	ID       uint64
	Account  uint32
	Side     Side
	Kind     uint8
	Venue    uint16
	Price    float64
	Quantity int64
	Filled   int32
	Flags    uint32 `wire:"le"`
	Time     time.Duration
	Sequence uint32
	Shard    int32
}

// Side is a number of a type of its own.
type Side uint8

// Trade has texts.
type Trade struct {
	ID     uint64
	Urgent bool
	Flags  uint16 `wire:"le"`
	Symbol string `wire:"len=u8,raw"`
	Price  uint32
	Client Name   `wire:"len=u16,max=100"`
	Note   []byte `wire:"len=u32le"`
}

// Name is a text of a type of its own.
type Name string

// Mixed has the rest.
type Mixed struct {
	_      struct{} `wire:"const=cafe"`
	Size   uint32   `wire:"bits=24"`
	Delta  int32    `wire:"bits=24,le"`
	Ratio  float32  `wire:"le"`
	Scale  Scale
	Key    [16]byte
	Points [3]Point
	Levels [2][2]int16
	On     Switch
	_      struct{} `wire:"skip=2"`
	Text   Blob     `wire:"len=u24"`
	Left   int      `wire:"-"`
	_      struct{} `wire:"const=00ff"`
	Last   int8
}

// Point is a struct in a struct.
type Point struct{ X, Y int16 }

// Scale is a number of a type of its own.
type Scale float64

// Switch is a bool of a type of its own.
type Switch bool

// Blob is bytes of a type of their own.
type Blob []byte
