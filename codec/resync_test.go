package codec_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// pausing returns a Source of chunks, and a function that receives from a stage above it. A nil chunk ends the ctx of
// that call.
func pausing[T any](t *testing.T, chunks ...[]byte) (*chanio.Source[[]byte], func(func(context.Context) (T, error)) (T, error)) {
	cancel := func() {}
	src := chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(ctx context.Context) ([]byte, error) {
		if len(chunks) == 0 {
			return nil, io.EOF
		}
		chunk := chunks[0]
		chunks = chunks[1:]
		if chunk == nil {
			cancel()
			return nil, ctx.Err()
		}
		return chunk, nil
	}})
	return src, func(recv func(context.Context) (T, error)) (T, error) {
		var ctx context.Context
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		return recv(ctx)
	}
}

// low is a text of at most nine bytes behind two bytes that it does not look at.
var low = codec.Between(codec.Skip(2), codec.Prefixed(codec.Uint8, codec.String, codec.Max(9)), nil)

// A Recv that is cancelled while it drops garbage has found no frame: the next one goes on dropping.
func TestResyncGoesOnDroppingAfterACancelledCall(t *testing.T) {
	for name, chunks := range map[string][][]byte{
		"in garbage":      {[]byte("MM\xffgarbage"), nil, []byte("ab\x01cMM\x01d")},
		"twice":           {[]byte("MM\xffgarbage"), nil, []byte("a"), nil, []byte("b\x01cMM\x01d")},
		"within a magic":  {[]byte("MM\xffgarbageM"), nil, []byte("b\x01cMM\x01d")},
		"at a chunk":      {[]byte("MM\xff"), nil, []byte("garbagea"), []byte("b\x01c"), nil, []byte("MM\x01d")},
		"before anything": {nil, []byte("MM\xffgarbageab\x01cMM\x01d")},
	} {
		for _, way := range []string{"Recv", "Upstream"} {
			var skips []int64
			src, call := pausing[string](t, chunks...)
			in := codec.Resync(src, "MM", low, func(n int64, err error) {
				require.ErrorIs(t, err, codec.ErrTooLarge)
				skips = append(skips, n)
			})
			recv := in.Recv
			if way == "Upstream" {
				up := in.Claim("test")
				recv = func(ctx context.Context) (string, error) {
					if up.Lends() {
						require.Empty(t, up.Lend(make([]string, 0, 4)), name)
					}
					require.Empty(t, up.AtHand(make([]string, 0, 4)), name)
					if err := up.Await(ctx); err != nil {
						return "", err
					}
					return up.Next(ctx)
				}
			}
			v, err := call(recv)
			for errors.Is(err, context.Canceled) {
				v, err = call(recv)
			}
			require.NoError(t, err, "%s, %s", name, way)
			require.Equal(t, "d", v, "%s, %s", name, way)
			require.Equal(t, []int64{14}, skips, "%s, %s", name, way)
			_, err = call(recv)
			require.ErrorIs(t, err, io.EOF)
		}
	}
}

// What Resync may examine is bounded by what arrives, also if calls are cancelled all the time.
func TestG14ResyncIsLinearAcrossCancelledCalls(t *testing.T) {
	looked, total := 0, 0
	sum := func(p []byte) uint32 { looked += len(p); return 1 }
	c := codec.Between(codec.Const("\xca\xfe"), codec.Checksum(codec.Prefixed(codec.Uint16, codec.Bytes), codec.Uint32, sum), nil)
	var chunks [][]byte
	for range 60 {
		chunk := bytes.Repeat([]byte("\xca\xfe"), 32<<10) // each claims 51,966 bytes
		chunks = append(chunks, chunk, nil)
		total += len(chunk)
	}
	src, call := pausing[[]byte](t, chunks...)
	in := codec.Resync(src, "\xca\xfe", c, nil)
	_, err := call(in.Recv)
	for errors.Is(err, context.Canceled) {
		_, err = call(in.Recv)
	}
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Less(t, looked, 10*total)
}
