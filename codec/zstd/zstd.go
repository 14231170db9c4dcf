// Package zstd provides Zstandard (RFC 8878) for [codec.Compressed]. It is a separate module, so only its users depend on
// github.com/klauspost/compress.
//
//	orders := codec.Prefixed(codec.Uint32, codec.Compressed(zstd.Default, codec.JSON[Order]()))
//
// # Guarantees
//
// The size that a frame declares allocates nothing: memory grows as bytes are decompressed, up to the limit of the codec.
// In addition, a frame may need a window of up to 8 MiB, the minimum that the RFC recommends to support. A frame that
// needs a larger one is rejected. Neither direction starts a goroutine.
package zstd

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/weir-go/weir/codec"
)

// maxWindow is the largest window that a frame may ask for, in bytes.
const maxWindow = 8 << 20

// Default compresses at level 3, the default of the zstd tool.
var Default = Level(3)

// Level returns a Compression at approximately the given level of zstd, from 1, the fastest, to 22, the smallest. It
// panics if n is outside this range. Data of any level can be decompressed at any other. The Compression is safe for
// concurrent use.
func Level(n int) codec.Compression {
	if n < 1 || n > 22 {
		panic(fmt.Sprintf("zstd: Level: n must be between 1 and 22, got %d", n))
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(n)), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(maxWindow), zstd.WithZeroFrames(true))
	if err != nil {
		panic("zstd: Level: " + err.Error())
	}
	return &compression{writer: w}
}

type compression struct {
	writer  *zstd.Encoder // EncodeAll is for many goroutines, one after the other
	readers sync.Pool
}

func (c *compression) Compress(dst, plain []byte) ([]byte, error) {
	return c.writer.EncodeAll(plain, dst), nil
}

func (c *compression) Decompress(dst, packed []byte, max int) ([]byte, error) {
	if len(packed) == 0 {
		return dst, fmt.Errorf("%w: nothing, where a zstd frame must be", codec.ErrMalformed)
	}
	r, err := c.reader(packed)
	if err != nil {
		return dst, fmt.Errorf("%w: %w", codec.ErrMalformed, err)
	}
	out := bytes.NewBuffer(dst)
	n, err := io.Copy(out, io.LimitReader(r, int64(min(max, codec.Unbounded-1))+1))
	_ = r.Reset(nil) // it keeps no bytes
	c.readers.Put(r)
	if err != nil {
		return dst, fmt.Errorf("%w: %w", codec.ErrMalformed, err)
	}
	if n > int64(max) {
		return dst, fmt.Errorf("%w: more than the limit of %d bytes when unpacked", codec.ErrTooLarge, max)
	}
	return out.Bytes(), nil
}

// reader returns a reader of what packed holds. It is synchronous, so one that is dropped leaves nothing after.
func (c *compression) reader(packed []byte) (*zstd.Decoder, error) {
	in := bytes.NewReader(packed)
	if r, ok := c.readers.Get().(*zstd.Decoder); ok {
		return r, r.Reset(in)
	}
	return zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}
