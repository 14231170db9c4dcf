//go:build !plan9

//lint:file-ignore ST1001,U1000 what wiregen writes must do with such names

// Package awkward has names that what wiregen writes must not clash with, and types that it must name as this package does.
package awkward

import (
	. "io"
	mathrand "math/rand/v2"
	. "time"
)

//go:generate go run github.com/weir-go/weir/codec/wiregen -le Record Box Alias Instance Paths Single

const math, slices = 1, 2

var binary, fmt, strconv, codec, recordNameLength = 3, 4, 5, 6, 7

func String() {}

// Record has types of packages that are imported under other names.
type Record struct {
	At      Duration
	Kind    AnyKind
	Float   float64
	Small   int32        `wire:"bits=24"`
	Name    string       `wire:"len=u16be"`
	Names   []Word       `wire:"count=u8,len=u8"`
	Long    [20]Duration `wire:"be"`
	reader  Reader
	chooser *mathrand.Rand
	inner
}

// inner is embedded: its exported fields are in the frame.
type inner struct{ Flag flag }

type (
	flag bool
	// AnyKind is an instance.
	AnyKind = Kind[any]
	// Word is a text.
	Word string
)

type fmt2 interface {
	~int
	comparable
}

// Box is generic, in what is not in the frame.
type Box[K comparable, V fmt2] struct {
	Key   uint16
	Kind  Kind[K]
	cache map[K]V
}

// Alias is Box for texts.
type Alias[V fmt2] = Box[string, V]

// Kind is a number for each K.
type Kind[K any] uint32

// Pair is generic in what is.
type Pair[A, B any] struct {
	First  A
	Second []B `wire:"count=u8"`
}

// Instance is one of it.
type Instance Pair[uint16, Pair[uint8, Duration]]

// Paths has paths that differ only in punctuation, and a text with two limits.
type Paths struct {
	A     struct{ B, C uint16 }
	Short string `wire:"len=u8,max=2"`
	AB, D uint16
}

// Single ends in an array of one value that takes the rest.
type Single struct {
	A    uint16
	Rest [1]struct {
		B    uint8
		Body [1][]byte `wire:"rest"`
	}
}
