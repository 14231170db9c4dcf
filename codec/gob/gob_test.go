package gob_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/codec/gob"
)

type order struct{ ID uint32 }

func TestAFrameIsAGobStreamOfItsOwn(t *testing.T) {
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint16, gob.Of[order]()), order{ID: 7})
	codectest.Vector(t, codec.Prefixed(codec.Uint16, gob.Of[int]()), "0004 0304000a", 5)
	codectest.Rejects(t, codec.Prefixed(codec.Uint16, gob.Of[int]()), "0002 ffff", codec.ErrMalformed, 2)
	_, none := codec.Unmarshal(codec.Prefixed(codec.Uint16, gob.Of[int]()), []byte{0, 0})
	require.ErrorIs(t, none, codec.ErrMalformed)
	require.NotErrorIs(t, none, io.EOF)
	codectest.Rejects(t, codec.Prefixed(codec.Uint16, gob.Of[int]()), "0005 0304000a 00", codec.ErrTrailingData, 6)
	_, err := codec.Marshal(gob.Of[chan int](), nil)
	require.ErrorIs(t, err, codec.ErrMalformed)
	if err == nil {
		t.Error("a channel was encoded")
	}
}

func TestG14ACountOfAMapAllocatesNothing(t *testing.T) {
	p, err := hex.DecodeString("160d7f040102ff8000010c0104000007ff8000fd400000") // a map of 4 million, they say
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = codec.Unmarshal(codec.Prefixed(codec.Uint8, gob.Of[map[string]int]()), p)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, codec.ErrMalformed)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
	codectest.RoundTrip(t, gob.Of[map[string]int](), map[string]int{}, map[string]int{"a": 1})
	codectest.RoundTrip(t, gob.Of[counts](), counts{}, counts{Of: map[string]int{"a": 1}})
}

type counts struct{ Of map[string]int }

func FuzzGob(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, gob.Of[uint32]()), 7)
}

func ExampleOf() {
	p, err := codec.Marshal(codec.Prefixed(codec.Uint16, gob.Of[int]()), 5)
	fmt.Printf("% x %v\n", p, err)
	// Output: 00 04 03 04 00 0a <nil>
}
