package codec_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

type packet struct {
	_       struct{} `wire:"const=cafe"`
	Version uint8
	Flags   uint16   `wire:"le"`
	Size    uint32   `wire:"bits=24"`
	Name    string   `wire:"len=u8"`
	Points  []corner `wire:"count=u16,max=100"`
	_       struct{} `wire:"skip=2"`
	Key     [3]uint16
	Inner   corner
	Cache   int      `wire:"-"`
	Tags    []string `wire:"count=u8,len=u16le,max=5"`
	Extra   []byte   `wire:"rest"`
	hidden  int
}

type corner struct{ X, Y int16 }

func TestStructHasItsBytes(t *testing.T) {
	c := codec.Prefixed(codec.Uint16, codec.Struct[packet]())
	v := packet{
		Version: 1, Flags: 2, Size: 3, Name: "a", Points: []corner{{1, -1}, {2, -2}}, Key: [3]uint16{7, 8, 9},
		Inner: corner{5, 6}, Tags: []string{"x"}, Extra: []byte{0xff},
	}
	codectest.Vector(t, c, "0025 cafe 01 0200 000003 0161 0002 0001ffff 0002fffe 0000 0007 0008 0009 0005 0006 01 0100 78 ff", v)
	v.hidden, v.Cache = 1, 2
	p, err := codec.Marshal(c, v)
	require.NoError(t, err)
	require.Len(t, p, 2+0x25)
	many := v
	many.Points = make([]corner, 101)
	codectest.Refuses(t, c, many, codec.ErrTooLarge)
	_, err = codec.Unmarshal(c, codectest.Hex(t, "000d cafe 01 0200 000003 0161 ffff 00"))
	require.ErrorContains(t, err, "Points")
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestStructIsAsRecordIs(t *testing.T) {
	c := codec.Struct[struct {
		ID      uint64
		Account uint32
		Price   float64
		Urgent  bool
		Symbol  string `wire:"len=u8,raw"`
	}]()
	require.Equal(t, codec.Size{Min: 22, Max: 22 + 255}, codec.SizeOf(c))
	_, err := codec.Unmarshal(c, make([]byte, 13))
	require.ErrorContains(t, err, "codec: Price at byte 13")
}

func TestStructRefusesWhatItCannotCompile(t *testing.T) {
	for text, build := range map[string]func(){
		"is not a struct":        func() { codec.Struct[int]() },
		"has no exported fields": func() { codec.Struct[struct{ a int }]() },
		"int has no fixed":       func() { codec.Struct[struct{ N int }]() },
		"needs a tag such as":    func() { codec.Struct[struct{ S string }]() },
		"which has no meaning": func() {
			codec.Struct[struct {
				N uint8 `wire:"count=u8"`
			}]()
		},
		"is not hexadecimal": func() {
			codec.Struct[struct {
				_ struct{} `wire:"const=xyz"`
			}]()
		},
		"contains itself": func() { codec.Struct[chain]() },
		"follows one that takes the rest": func() {
			codec.Struct[struct {
				A []byte `wire:"rest"`
				B uint8
			}]()
		},
		"no end of their own": func() {
			codec.Struct[struct {
				A []string `wire:"count=u8,rest"`
			}]()
		},
		"a number of at least 1": func() {
			codec.Struct[struct {
				A []byte `wire:"len=u8,max=0"`
			}]()
		},
	} {
		func() {
			defer func() { require.Contains(t, recover(), text) }()
			build()
		}()
	}
}

type chain struct {
	Next []chain `wire:"count=u8"`
}

func FuzzStruct(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint16, codec.Struct[packet]()), packet{Name: "a", Tags: []string{"b"}, Points: []corner{{1, 2}}, Extra: []byte{}})
}

type guarded struct {
	_ struct{} `wire:"const=cafe"`
	A uint8
	_ struct{} `wire:"skip=2"`
}

func TestAnErrorAtALiteralNamesTheStructAroundIt(t *testing.T) {
	type pair struct {
		Head guarded
		All  [2]guarded
	}
	c := codec.Struct[pair]()
	place := func(want string, p ...byte) {
		_, err := codec.Unmarshal(c, p)
		var e *codec.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, want, e.Path)
	}
	place("Head", 0xca, 0)
	place("Head", 0xca, 0xfe, 1, 0)
	place("All[1]", 0xca, 0xfe, 1, 0, 0, 0xca, 0xfe, 1, 0, 0, 0xca, 0xff)
}
