package sample

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

var (
	numbers = Numbers{1, 2, 3, 4, 5, -6.5, -7, -8, 9, -10, 11, -12}
	trade   = Trade{ID: 1, Urgent: true, Flags: 0x0203, Symbol: "a", Price: 4, Client: "é", Note: []byte{5}}
	mixed   = Mixed{Size: 1<<24 - 1, Delta: -2, Ratio: 0.5, Scale: -3, Key: [16]byte{1, 15: 2}, Points: [3]Point{{1, -1}, {2, -2}, {3, -3}},
		Levels: [2][2]int16{{1, 2}, {3, 4}}, On: true, Text: Blob("text"), Last: -1}
)

func TestTheFunctionsDoWhatStructDoes(t *testing.T) {
	agree(t, (*Numbers).appendWire, (*Numbers).decodeWire, Numbers{}, numbers)
	agree(t, (*Trade).appendWire, (*Trade).decodeWire, Trade{Note: []byte{}}, trade)
	agree(t, (*Mixed).appendWire, (*Mixed).decodeWire, Mixed{Text: Blob{}}, mixed)
}

// agree sees that the functions encode and decode by themselves, to the same as Struct does, and never what is cut short.
func agree[T any](
	t *testing.T, appendWire func(*T, []byte) ([]byte, bool), decodeWire func(*T, []byte, *codec.Memory) (int, bool), values ...T,
) {
	for _, v := range values {
		want, err := codec.Marshal(codec.Struct[T](), v)
		require.NoError(t, err)
		got, ok := appendWire(&v, []byte("> "))
		require.True(t, ok)
		require.Equal(t, "> "+string(want), string(got))

		var back T
		var m codec.Memory
		n, ok := decodeWire(&back, append(want, "more"...), &m)
		require.True(t, ok)
		require.Equal(t, len(want), n)
		require.Equal(t, v, back)
		for cut := range want {
			_, ok = decodeWire(&back, want[:cut:cut], &m)
			require.False(t, ok, cut)
		}
	}
}

func TestTheFunctionsLeaveWhatDoesNotFit(t *testing.T) {
	for _, v := range []Trade{
		{Symbol: strings.Repeat("a", 256)}, {Client: Name(strings.Repeat("a", 101))}, {Client: "\xff"},
	} {
		_, ok := v.appendWire(nil)
		require.False(t, ok)
		_, err := TradeCodec.Append(nil, v)
		require.Error(t, err)
	}
	for _, v := range []Mixed{{Size: 1 << 24}, {Delta: 1 << 23}, {Delta: -1<<23 - 1}} {
		_, ok := v.appendWire(nil)
		require.False(t, ok)
		_, err := MixedCodec.Append(nil, v)
		require.ErrorIs(t, err, codec.ErrTooLarge)
	}
}

func FuzzNumbers(f *testing.F) { codectest.Fuzz(f, NumbersCodec, Numbers{}, numbers) }

func FuzzTrade(f *testing.F) { codectest.Fuzz(f, TradeCodec, Trade{Note: []byte{}}, trade) }

func FuzzMixed(f *testing.F) { codectest.Fuzz(f, MixedCodec, Mixed{Text: Blob{}}, mixed) }
