// Package sample has structs with every tag of codec.Struct, and the codecs that wiregen writes for them.
package sample

import "time"

//go:generate go run github.com/weir-go/weir/codec/wiregen Numbers Trade Mixed Lists packet=PacketWire

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

// Side is a number of a defined type.
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
	Ready  bool
	Last   string `wire:"rest"`
}

// Name is a text of a defined type.
type Name string

// Mixed has the rest of what has a fixed size.
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
	Short  uint16   `wire:"le"`
	_      struct{} `wire:"skip=1"`
	Three  uint32   `wire:"bits=24,le"`
	Text   Blob     `wire:"len=u24"`
	Left   int      `wire:"-"`
	hidden int      //lint:ignore U1000 it is there because it is not in the frame
	_      struct{} `wire:"const=00ff"`
	Last   int8
	Table  [40]int32 `wire:"le"`
	Tail   struct {
		Hash [20]byte
		_    struct{} `wire:"const=0a"`
		_    struct{} `wire:"skip=2"`
	}
}

// Point is a struct in a struct.
type Point struct{ X, Y int16 }

// Scale is a number of a defined type.
type Scale float64

// Switch is a bool of a defined type.
type Switch bool

// Blob is bytes of a defined type.
type Blob []byte

// Lists has values whose number differs.
type Lists struct {
	Points []Point    `wire:"count=u16,max=3"`
	Words  Words      `wire:"count=u8,len=u16le,max=5"`
	Grid   [][]uint32 `wire:"count=u8,bits=24"`
	Inner  struct {
		Points []Point `wire:"count=u8"`
		Flags  []bool  `wire:"count=u32le"`
	}
	Names [2]Name `wire:"len=u8"`
	Extra Blob    `wire:"rest"`
}

// Words is a slice of a defined type.
type Words []string

// packet is not exported.
type packet struct {
	Version byte
	Body    string `wire:"rest,raw"`
}
