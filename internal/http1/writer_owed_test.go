package http1

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// fullSink accepts values until it is full, and then only from calls with a ctx that has not ended.
type fullSink struct {
	got  []byte
	room int // values that it accepts whatever the ctx
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
			require.ErrorIs(t, w.Finish(ended, nil, nil, []byte("A: b\r\n")), context.Canceled)
			require.NoError(t, last.do(&w))
			require.Equal(t, "1000\r\n"+string(large)+"\r\n"+last.want, string(sink.got))
			require.NoError(t, w.Write(t.Context(), nil, []byte("x")))
			require.Equal(t, "1000\r\n"+string(large)+"\r\n"+last.want+"1\r\nx\r\n", string(sink.got), "it has been ended once")
		})
	}
}

// TestPieceThatWasRefusedIsStillToCome has a ctx end before a piece of a sized body is accepted, and sends the piece
// again.
func TestPieceThatWasRefusedIsStillToCome(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, size := range []int{3, inPlace} {
		sink, piece := &fullSink{}, make([]byte, size)
		var w Writer
		w.Reset(sink, Framing{Kind: Sized, Length: int64(size)})
		require.ErrorIs(t, w.Write(ended, nil, piece), context.Canceled)
		require.EqualValues(t, size, w.Left())
		require.ErrorIs(t, w.Finish(ended, nil, piece, nil), context.Canceled)
		require.NoError(t, w.Finish(t.Context(), nil, piece, nil))
		require.Equal(t, piece, sink.got)
	}
}

// TestReadOfNothingDoesNotWait reads zero bytes of a body that has not arrived.
func TestReadOfNothingDoesNotWait(t *testing.T) {
	n, err := newBody(inPieces(""), Framing{Kind: Sized, Length: 10}).Read(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

// TestDigitsOfAChunkSize tests the maximum number of digits, and one more.
func TestDigitsOfAChunkSize(t *testing.T) {
	for line, fits := range map[string]bool{
		"0000000000000001": true, "00000000000000001": false, "7fffffffffffffff": true, "8000000000000000": false,
	} {
		size, _, err := parseChunkLine([]byte(line))
		require.Equal(t, fits, err == nil, line)
		require.Equal(t, fits, size > 0, line)
	}
}

// TestPaddingOfAChunkLineIsWhatIsNoDigitOfItsSize counts leading zeros and extensions.
func TestPaddingOfAChunkLineIsWhatIsNoDigitOfItsSize(t *testing.T) {
	for line, want := range map[string]int{"f": 0, "10": 0, "010": 1, "ff;a": 2, "100": 0, "0": 0, "00": 1} {
		_, padding, err := parseChunkLine([]byte(line))
		require.Nil(t, err)
		require.Equal(t, want, padding, line)
	}
}
