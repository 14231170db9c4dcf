package zstd_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/codec/zstd"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

var text = codec.Prefixed(codec.Uint32, codec.Compressed(zstd.Default, codec.String, codec.Max(1<<20)))

func TestPackedTextComesBack(t *testing.T) {
	codectest.RoundTrip(t, text, "", "hello", strings.Repeat("to and fro ", 200))
	for _, level := range []int{1, 9, 22} {
		packed, err := zstd.Level(level).Compress(nil, []byte("hello"))
		require.NoError(t, err)
		plain, err := zstd.Default.Decompress([]byte("> "), packed, 5)
		require.NoError(t, err)
		require.Equal(t, "> hello", string(plain))
	}
	require.PanicsWithValue(t, "zstd: Level: n must be between 1 and 22, got 0", func() { zstd.Level(0) })
}

func TestG14UnpackedBytesAreLimited(t *testing.T) {
	packed, err := zstd.Default.Compress(nil, bytes.Repeat([]byte("x"), 1<<20+1))
	require.NoError(t, err)
	require.Less(t, len(packed), 1000)
	_, err = zstd.Default.Decompress(nil, packed, 1<<20)
	require.ErrorIs(t, err, codec.ErrTooLarge)
	plain, err := zstd.Default.Decompress(nil, packed, 1<<20+1)
	require.NoError(t, err)
	require.Len(t, plain, 1<<20+1)
	_, err = codec.Marshal(text, strings.Repeat("x", 1<<20+1))
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestWhatIsNoFrameIsMalformed(t *testing.T) {
	packed, err := zstd.Default.Compress(nil, []byte("hello, hello, hello"))
	require.NoError(t, err)
	for n := range packed {
		_, err := zstd.Default.Decompress(nil, packed[:n], 100)
		require.ErrorIs(t, err, codec.ErrMalformed, n)
	}
	_, err = zstd.Default.Decompress(nil, append(packed, 1), 100)
	require.ErrorIs(t, err, codec.ErrMalformed)
}

func TestManyGoroutinesShareACompression(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			v := strings.Repeat(string(rune('a'+i)), 1000)
			for range 20 {
				p, err := codec.Marshal(text, v)
				if err != nil {
					t.Error(err)
				}
				if got, err := codec.Unmarshal(text, p); err != nil || got != v {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// FuzzZstd sees that garbage is refused, and that what is unpacked comes back.
func FuzzZstd(f *testing.F) {
	packed, _ := zstd.Default.Compress(nil, []byte("hello"))
	f.Add(packed)
	f.Fuzz(func(t *testing.T, p []byte) {
		plain, err := zstd.Default.Decompress(nil, p, 1<<16)
		if err != nil {
			return
		}
		again, err := zstd.Default.Compress(nil, plain)
		require.NoError(t, err)
		back, err := zstd.Default.Decompress(nil, again, 1<<16)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, back))
	})
}

func TestUnboundedMaxIsNoLimit(t *testing.T) {
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, codec.Compressed(zstd.Default, codec.String, codec.Max(codec.Unbounded))), "hello")
	packed, err := zstd.Default.Compress(nil, []byte("hello"))
	require.NoError(t, err)
	plain, err := zstd.Default.Decompress(nil, packed, codec.Unbounded)
	require.NoError(t, err)
	require.Equal(t, "hello", string(plain))
}
