package codec_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// tagged is a struct for a TLV.
type tagged struct {
	Name    string
	Port    *uint16
	Words   []string
	Entry   *entry
	Unknown []codec.UnknownTag[uint8]
}

func someTLV(r *rand.Rand) codec.Codec[tagged] {
	length := []*codec.Length{codec.NewLength(codec.Uint8), codec.NewLength(codec.Uint16LE, codec.Adjust(2)), codec.NewLength(codec.Uvarint)}[r.IntN(3)]
	return codec.TLV(codec.Uint8, length,
		codec.RequiredTag(uint8(1), "name", func(o *tagged) *string { return &o.Name }, codec.String),
		codec.OptionalTag(uint8(2), "port", func(o *tagged) **uint16 { return &o.Port }, codec.Uint16),
		codec.RepeatedTag(uint8(3), "words", func(o *tagged) *[]string { return &o.Words }, closedText(r, r.IntN(3))),
		codec.OptionalTag(uint8(4), "entry", func(o *tagged) **entry { return &o.Entry }, someRecord(r)),
		codec.UnknownTags(func(o *tagged) *[]codec.UnknownTag[uint8] { return &o.Unknown }))
}

// bag is a struct with dependent fields and with optional ones at the end.
type bag struct {
	Kind  uint8
	Time  time.Time
	Flags wideFlags
	Maybe *string
	Shape form
	Words []string
	Inner []spot
	Tags  tagged
	All   []entry
	First *uint16
	Last  *string
}

type (
	wideFlags struct {
		A    uint16
		On   bool
		B    uint64
		C    uint8
		Wide uint32
	}
	spot struct {
		X    int16
		Name string `wire:"len=u8"`
		Y    uint32 `wire:"bits=24,le"`
	}
	form        interface{ form() }
	round       struct{ R uint16 }
	caption     struct{ Text string }
	unknownForm struct {
		Tag  uint8
		Body string
	}
)

func (round) form()       {}
func (caption) form()     {}
func (unknownForm) form() {}

var spots = codec.Struct[struct {
	Points []spot `wire:"count=u8,max=9"`
}]()

func someBag(r *rand.Rand) codec.Codec[bag] {
	texts := []codec.Codec[string]{closedText(r, r.IntN(3)), closedText(r, r.IntN(3))}
	forms := codec.OneOf(codec.Uint8,
		codec.Case[form](uint8(1), codec.Struct[round]()),
		codec.Case[form](uint8(2), codec.Map(texts[0],
			func(s string) (caption, error) { return caption{s}, nil }, func(l caption) (string, error) { return l.Text, nil })),
		codec.Default[form](texts[1],
			func(tag uint8, body string) unknownForm { return unknownForm{tag, body} }, func(o unknownForm) (uint8, string) { return o.Tag, o.Body }))
	wide := codec.WideBits(
		codec.BitField("a", 13, func(f *wideFlags) *uint16 { return &f.A }),
		codec.BitFlag("on", func(f *wideFlags) *bool { return &f.On }),
		codec.BitField("b", 57, func(f *wideFlags) *uint64 { return &f.B }),
		codec.SpareBits[wideFlags](4),
		codec.BitField("c", 5, func(f *wideFlags) *uint8 { return &f.C }),
		codec.BitField("wide", 32, func(f *wideFlags) *uint32 { return &f.Wide }))
	inner := codec.Map(spots,
		func(v struct {
			Points []spot `wire:"count=u8,max=9"`
		}) ([]spot, error) {
			return v.Points, nil
		},
		func(p []spot) (v struct {
			Points []spot `wire:"count=u8,max=9"`
		}, err error) {
			v.Points = p
			return v, nil
		})
	return codec.Record(
		codec.Literal[bag](codec.Const("!")),
		codec.Field("kind", func(b *bag) *uint8 { return &b.Kind }, codec.Uint8),
		codec.Field("time", func(b *bag) *time.Time { return &b.Time }, codec.UnixTime(codec.Int64, time.Millisecond)),
		codec.Field("flags", func(b *bag) *wideFlags { return &b.Flags }, wide),
		codec.Field("maybe", func(b *bag) **string { return &b.Maybe }, codec.Nullable(codec.Int16, codec.String, codec.Max(40))),
		codec.FieldBy("form", func(b *bag) *form { return &b.Shape }, func(b bag) codec.Codec[form] {
			if b.Kind%4 == 3 {
				return nil
			}
			return forms
		}),
		codec.Field("words", func(b *bag) *[]string { return &b.Words },
			codec.Prefixed(codec.Uint8, codec.Separated(codec.Codec[string](codec.Limit(20, codec.RawString)), ", "))),
		codec.Field("inner", func(b *bag) *[]spot { return &b.Inner }, inner),
		codec.Field("tags", func(b *bag) *tagged { return &b.Tags }, codec.CRC32(codec.Prefixed(codec.Uint16, someTLV(r)))),
		codec.Field("all", func(b *bag) *[]entry { return &b.All }, codec.Prefixed(codec.Uint16, codec.CRC32(codec.ToEnd(someRecord(r))))),
		codec.Field("first", func(b *bag) **uint16 { return &b.First }, codec.OptionalTail(codec.Uint16LE)),
		codec.Field("last", func(b *bag) **string { return &b.Last }, codec.OptionalTail(texts[0])))
}

// around wraps c in random codecs that have an end.
func around[T any](r *rand.Rand, c codec.Codec[T]) codec.Codec[T] {
	for range 1 + r.IntN(3) {
		switch r.IntN(9) {
		case 0:
			c = codec.Checksum(codec.Prefixed(codec.Uint16, c), codec.Uint32LE, crc32.ChecksumIEEE)
		case 1:
			c = codec.Prefixed(codec.Uvarint, codec.Checksum(c, codec.Uint32, crc32.ChecksumIEEE), codec.Adjust(r.IntN(5)))
		case 2:
			c = codec.COBS(c, codec.Max(2000))
		case 3:
			c = codec.SLIP(c, codec.Max(2000))
		case 4:
			c = codec.Map(codec.PairOf(codec.Uint8, codec.Prefixed(codec.Uint16, codec.Suffixed(c, "end"))),
				func(p codec.Pair[uint8, T]) (T, error) { return p.Second, nil },
				func(v T) (codec.Pair[uint8, T], error) { return codec.Pair[uint8, T]{First: 7, Second: v}, nil })
		case 5:
			c = codec.NewSwitchable(codec.Prefixed(codec.Uint16, codec.Limit(1500, c)))
		case 6:
			inner := codec.Prefixed(codec.Uint16LE, c)
			c = codec.FirstByte(func(b byte) codec.Codec[T] {
				if b > 200 {
					return nil
				}
				return inner
			}, func(T) codec.Codec[T] { return inner })
		case 7:
			c = codec.Prefixed(codec.Uint24, codec.Compressed(codec.Zlib, c))
		default:
			c = codec.Prefixed(codec.Uint16, c)
		}
	}
	return codec.Prefixed(codec.Uint32, c)
}

func maybe[T any](r *rand.Rand, v T) *T {
	if r.IntN(2) == 0 {
		return nil
	}
	return &v
}

// TestAllEntryPointsAgreeOnRecordsOfAllKinds is TestAllEntryPointsAgree for records with dependent, optional and tagged
// fields, with random codecs around them.
func TestAllEntryPointsAgreeOnRecordsOfAllKinds(t *testing.T) {
	for seed := range rounds(200) {
		r := rand.New(rand.NewPCG(seed, 20))
		text := func() string { return someString(r) }
		word := func() string { return fmt.Sprint("w", r.IntN(1000)) }
		words := func() []string {
			all := make([]string, r.IntN(4))
			for i := range all {
				all[i] = word()
			}
			return all
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			tags := func() tagged {
				o := tagged{Name: word(), Port: maybe(r, uint16(7))}
				if all := words(); len(all) > 0 {
					o.Words = all
				}
				o.Entry = maybe(r, entry{A: 1, S: word(), T: []byte(text()), U: word()})
				for range r.IntN(3) {
					o.Unknown = append(o.Unknown, codec.UnknownTag[uint8]{Tag: uint8(5 + r.IntN(200)), Value: []byte(text())})
				}
				return o
			}
			check(t, r, around(r, someBag(r)), func() bag {
				b := bag{
					Kind: uint8(r.IntN(3)), Time: time.UnixMilli(r.Int64N(1 << 40)).UTC(), Maybe: maybe(r, word()),
					Flags: wideFlags{uint16(r.IntN(1 << 13)), r.IntN(2) == 0, r.Uint64() >> 7, uint8(r.IntN(32)), r.Uint32()},
					Shape: []form{round{uint16(r.Uint32())}, caption{text()}, unknownForm{uint8(3 + r.IntN(200)), text()}}[r.IntN(3)],
					Words: words(), Inner: []spot{}, Tags: tags(), All: []entry{}, First: maybe(r, uint16(r.Uint32())),
				}
				for range r.IntN(3) {
					b.Inner = append(b.Inner, spot{int16(r.Uint32()), word(), r.Uint32() >> 8})
				}
				for range r.IntN(3) {
					b.All = append(b.All, entry{A: uint16(r.Uint32()), S: word(), T: []byte(text()), U: word()})
				}
				if b.First != nil {
					b.Last = maybe(r, text())
				}
				return b
			})
		})
		if t.Failed() {
			return
		}
	}
}

// TestResyncFindsTheSameWhateverTheCuts compares Resync of damaged frames in one piece with Resync of single bytes.
func TestResyncFindsTheSameWhateverTheCuts(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 21))
		c := codec.Between(codec.Const("\xca\xfe"), codec.Checksum(someRecord(r), codec.Uint16, func(p []byte) uint16 { return uint16(crc32.ChecksumIEEE(p)) }), nil)
		var p []byte
		for range 6 {
			q, err := codec.Marshal(c, entry{A: uint16(r.Uint32()), S: someString(r), T: []byte(someString(r)), U: someString(r)})
			if err != nil {
				continue
			}
			if r.IntN(2) == 0 {
				q[r.IntN(len(q))] ^= 1 << r.IntN(8)
			}
			p = append(p, q...)
		}
		p = p[:len(p)-r.IntN(2)*min(len(p), 3)]
		type event struct {
			dropped int64
			outcome
		}
		received := func(src *chanio.Source[[]byte]) (all outcome, skips []event) {
			in := codec.Resync(src, "\xca\xfe", c, func(n int64, err error) {
				var o outcome
				o.end(err)
				skips = append(skips, event{n, o})
			})
			for {
				v, err := in.Recv(context.Background())
				if err != nil {
					all.end(err)
					return all, skips
				}
				all.Values = append(all.Values, v)
			}
		}
		want, skips := received(codectest.Chunks(p))
		for name, src := range map[string]*chanio.Source[[]byte]{
			"bytes":        chanio.FromReader(iotest.OneByteReader(bytes.NewReader(p))),
			"halves":       chanio.FromReader(iotest.HalfReader(bytes.NewReader(p))),
			"a cut":        codectest.Chunks(p[:len(p)/3], p[len(p)/3:]),
			"with a pause": codectest.Chunks(p[:len(p)/2], nil, p[len(p)/2:]),
		} {
			got, gotSkips := received(src)
			require.Equal(t, want, got, "%s of %x, seed %d", name, p, seed)
			require.Equal(t, skips, gotSkips, "%s of %x, seed %d", name, p, seed)
		}
	}
}
