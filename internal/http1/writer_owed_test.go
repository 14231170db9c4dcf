package http1

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// fullSink takes values until it is full, and then only those of calls whose ctx lives.
type fullSink struct {
	got  []byte
	room int // values that it takes whatever the ctx
}

func (s *fullSink) Begin() []byte { return nil }

func (s *fullSink) End(ctx context.Context, scratch, body []byte) error {
	if s.room == 0 && ctx.Err() != nil {
		return ctx.Err()
	}
	s.room = max(0, s.room-1)
	s.got = append(append(s.got, scratch...), body...)
	return nil
}

func (s *fullSink) TryEnd(scratch, body []byte) (bool, error) {
	return true, s.End(context.Background(), scratch, body)
}

func TestChunkWhoseCtxEndsBehindItsDataIsEndedByWhatFollows(t *testing.T) {
	large := make([]byte, inPlace)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, last := range map[string]struct {
		do   func(w *Writer) error
		want string
	}{
		"piece":    {func(w *Writer) error { return w.Write(t.Context(), nil, []byte("abc")) }, "3\r\nabc\r\n"},
		"large":    {func(w *Writer) error { return w.Write(t.Context(), nil, large) }, "1000\r\n" + string(large) + "\r\n"},
		"end":      {func(w *Writer) error { return w.Finish(t.Context(), nil, nil, nil) }, "0\r\n\r\n"},
		"trailers": {func(w *Writer) error { return w.Finish(t.Context(), nil, nil, []byte("A: b\r\n")) }, "0\r\nA: b\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := &fullSink{room: 1}
			var w Writer
			w.Reset(sink, Framing{Kind: Chunked})
			require.NoError(t, w.Write(ended, nil, large), "its data have been accepted")
			require.ErrorIs(t, w.Write(ended, nil, []byte("refused")), context.Canceled)
			require.ErrorIs(t, w.Write(ended, nil, large), context.Canceled)
			require.NoError(t, last.do(&w))
			require.Equal(t, "1000\r\n"+string(large)+"\r\n"+last.want, string(sink.got))
		})
	}
}
