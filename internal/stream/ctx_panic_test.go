package stream_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/stream"
)

type brokenContext struct{ context.Context }

func (brokenContext) Done() <-chan struct{} { panic("Done") }

// TestPanicInAContextOfASenderEndsTheStream has a context that panics while a large body is written.
func TestPanicInAContextOfASenderEndsTheStream(t *testing.T) {
	each(t, &stream.Config{Linger: time.Second}, nil, func(t *testing.T, x, y *stream.Stream) {
		var err error
		func() {
			defer func() {
				if v := recover(); v != nil {
					err = &panicError{v}
				}
			}()
			err = x.Out.Send(brokenContext{t.Context()}, make([]byte, 64<<20))
		}()
		require.Error(t, err)
		within(t, 10*time.Second, "the end", func() { <-x.Out.Ending().Done() })
		t.Log(err)
	})
}
