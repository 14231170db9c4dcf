package codec_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// TestValuesSurviveTheGrowthOfTheStack decodes and encodes at many depths of new goroutines, so that the stack grows, and
// moves, somewhere within.
func TestValuesSurviveTheGrowthOfTheStack(t *testing.T) {
	number := codec.Record(
		codec.Field("x", func(p *corner) *int16 { return &p.X }, codec.Int16), codec.Field("y", func(p *corner) *int16 { return &p.Y }, codec.Int16))
	t.Run("lines", func(t *testing.T) { survives(t, codec.Lines, "first", "second", "third") })
	t.Run("prefixed", func(t *testing.T) {
		survives(t, codec.Prefixed(codec.Uint16, codec.String), "first", "second", "third")
	})
	t.Run("numbers", func(t *testing.T) { survives(t, number, corner{1, 2}, corner{3, 4}, corner{5, 6}) })
	t.Run("texts", func(t *testing.T) { survives(t, tradeCodec, aTrade, trade{}, aTrade) })
	t.Run("struct", func(t *testing.T) {
		survives(t, codec.Prefixed(codec.Uint16, codec.Struct[packet]()), packet{Name: "a", Tags: []string{"b"}, Points: []corner{{1, 2}}, Extra: []byte{}})
	})
	t.Run("recursive", func(t *testing.T) { survives(t, treeCodec, tree{"a", []tree{{"b", []tree{}}}}) })
	t.Run("pair", func(t *testing.T) {
		survives(t, codec.PairOf(codec.Uint8, number), codec.Pair[uint8, corner]{First: 1, Second: corner{2, 3}})
	})
	t.Run("one of", func(t *testing.T) { survives(t, shapes, shape(circle(7)), shape(square{3})) })
	t.Run("tags", func(t *testing.T) {
		survives(t, codec.Prefixed(codec.Uint8, codec.TLV(codec.Uint8, codec.NewLength(codec.Uint8),
			codec.RequiredTag(uint8(1), "name", func(o *options) *string { return &o.Name }, codec.String),
			codec.RepeatedTag(uint8(3), "host", func(o *options) *[]string { return &o.Hosts }, codec.String))),
			options{Name: "a", Hosts: []string{"b", "c"}})
	})
}

func survives[T any](t *testing.T, c codec.Codec[T], values ...T) {
	var all []byte
	for _, v := range values {
		p, err := codec.Marshal(c, v)
		require.NoError(t, err)
		all = append(all, p...)
	}
	for depth := range 160 {
		in := codec.Decode(codectest.Chunks(all), c)
		d := codec.NewDecoder(bytes.NewReader(all), c)
		rest, encoded := all, []byte(nil)
		for _, want := range values {
			for _, decode := range []func() (T, error){
				func() (T, error) { return in.Recv(t.Context()) },
				d.Decode,
				func() (v T, err error) {
					n, err := codec.UnmarshalInto(c, rest, &v)
					rest = rest[n:]
					return v, err
				},
			} {
				var got T
				var err error
				atStack(depth, func() { got, err = decode() })
				require.NoError(t, err)
				require.Equal(t, want, got, "depth %d", depth)
			}
			atStack(depth, func() { encoded, _ = codec.MarshalAppend(c, encoded, &want) })
			var own []byte
			atStack(depth, func() { own, _ = codec.Marshal(c, want) })
			require.True(t, bytes.HasSuffix(encoded, own))
		}
		require.Equal(t, all, encoded, "depth %d", depth)
	}
}

// atStack calls f at some depth of a new goroutine.
func atStack(depth int, f func()) {
	done := make(chan struct{})
	go atDepth(depth, func() { f(); close(done) })
	<-done
}
