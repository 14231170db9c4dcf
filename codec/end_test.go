package codec_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
)

// TestRecordThatFillsItsSpaceHasNoPointerBehindIt has the garbage collector look while records with an empty text at
// their end are written to the last bytes of objects. The memory after these is free: a pointer to it ends the process.
func TestRecordThatFillsItsSpaceHasNoPointerBehindIt(t *testing.T) {
	type record struct {
		A uint64
		S string
	}
	c := codec.Record(
		codec.Field("a", func(v *record) *uint64 { return &v.A }, codec.Uint64),
		codec.Field("s", func(v *record) *string { return &v.S }, codec.Prefixed(codec.Uint16, codec.String)))
	const size, encoded = 40 << 10, 10
	objects := make([][]byte, 32)
	for i := range objects {
		objects[i] = make([]byte, size)
	}
	for i := 1; i < len(objects); i += 2 {
		objects[i] = nil // leaves a hole
	}
	var over atomic.Bool
	var writers sync.WaitGroup
	for i := 0; i < len(objects); i += 2 {
		writers.Go(func() {
			var v record
			for dst := objects[i][:size-encoded]; !over.Load(); {
				if p, err := codec.MarshalAppend(c, dst, &v); err != nil || len(p) != size {
					t.Errorf("%d bytes: %v", len(p), err)
					return
				}
			}
		})
	}
	for range 100 {
		runtime.GC()
	}
	over.Store(true)
	writers.Wait()
	require.NotNil(t, objects[0])
}
