package codec_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
)

// TestRecordThatFillsItsSpaceHasNoPointerBehindIt has the garbage collector look while a record with an empty text at
// its end is written to the last bytes of an object. The memory after that is free, and a pointer to it ends the process.
func TestRecordThatFillsItsSpaceHasNoPointerBehindIt(t *testing.T) {
	type record struct {
		A uint64
		S string
	}
	c := codec.Record(
		codec.Field("a", func(v *record) *uint64 { return &v.A }, codec.Uint64),
		codec.Field("s", func(v *record) *string { return &v.S }, codec.Prefixed(codec.Uint16, codec.String)))
	const size, encoded = 40 << 10, 10
	objects := make([][]byte, 200)
	for i := range objects {
		objects[i] = make([]byte, size)
	}
	for i := 1; i < len(objects); i += 2 {
		objects[i] = nil // leaves a hole
	}
	var over atomic.Bool
	written := make(chan error)
	go func() {
		var v record
		var err error
		for i := 0; err == nil && !over.Load(); i = (i + 2) % len(objects) {
			for range 100 {
				if _, err = codec.MarshalAppend(c, objects[i][:size-encoded], &v); err != nil {
					break
				}
			}
		}
		written <- err
	}()
	for range 300 {
		runtime.GC()
	}
	over.Store(true)
	require.NoError(t, <-written)
	runtime.KeepAlive(objects)
}
