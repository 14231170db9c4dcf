package chanio_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

var errBroken = errors.New("broken")

// byteSources are ways to receive the same text, in chunks and through Bytes.
func byteSources(text string) map[string]*chanio.Source[[]byte] {
	halves := [][]byte{[]byte(text[:len(text)/2]), nil, []byte(text[len(text)/2:])}
	var single [][]byte
	for i := range text {
		single = append(single, []byte(text[i:i+1]))
	}
	near, far := chanio.Pipe()
	w := chanio.NewWriter(context.Background(), near.Out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return map[string]*chanio.Source[[]byte]{
		"one chunk":     chanio.FromSlice([][]byte{[]byte(text)}),
		"two chunks":    chanio.FromSlice(halves),
		"single bytes":  chanio.FromSlice(single),
		"a reader":      chanio.FromReader(strings.NewReader(text)),
		"a slow reader": chanio.FromReader(iotest.OneByteReader(strings.NewReader(text))),
		"end with data": chanio.FromReader(iotest.DataErrReader(strings.NewReader(text))),
		"a writer":      far.In,
	}
}

// waitingFor returns a Source of []byte that has yielded these chunks and then waits.
func waitingFor(t testing.TB, chunks ...string) (*chanio.Source[[]byte], *chanio.Sink[[]byte]) {
	src, sink := chanio.PipeOf[[]byte](16)
	for _, c := range chunks {
		require.NoError(t, sink.Send(t.Context(), []byte(c)))
	}
	return src, sink
}

func TestReadAllReturnsEveryByte(t *testing.T) {
	text := strings.Repeat("0123456789", 100)
	for name, src := range byteSources(text) {
		got, err := chanio.ReadAll(t.Context(), src, len(text))
		require.NoError(t, err, name)
		require.Equal(t, text, string(got), name)
		_, err = src.Recv(t.Context())
		require.Equal(t, io.EOF, err, name)
	}
}

func TestG14ReadAllStopsAtItsLimit(t *testing.T) {
	src, sink := waitingFor(t, "0123", "4567")
	_, err := chanio.ReadAll(t.Context(), src, 7)
	require.ErrorIs(t, err, chanio.ErrTooLarge)
	require.ErrorContains(t, err, "more than 7 bytes")
	<-sink.Done()
}

func TestG2CancelledReadAllPutsEverythingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := waitingFor(t, "01", "23")
		ctx, cancel := context.WithCancel(t.Context())
		res := make(chan error)
		go func() {
			_, err := chanio.ReadAll(ctx, src, 100)
			res <- err
		}()
		synctest.Wait()
		cancel()
		require.Equal(t, context.Canceled, <-res)
		require.NoError(t, sink.Send(t.Context(), []byte("45")))
		require.NoError(t, sink.Close())
		got, err := chanio.ReadAll(t.Context(), src, 100)
		require.NoError(t, err)
		require.Equal(t, "012345", string(got))
	})
}

func TestReadAllOfAFailedSourceReturnsWhatCame(t *testing.T) {
	src := chanio.FromReader(io.MultiReader(strings.NewReader("some"), iotest.ErrReader(errBroken)))
	got, err := chanio.ReadAll(t.Context(), src, 100)
	require.Equal(t, errBroken, err)
	require.Equal(t, "some", string(got))
}

// repeat is a reader that never ends.
type repeat string

func (r repeat) Read(p []byte) (n int, err error) {
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	return n, nil
}

func TestByteAdaptersRefuseNonsense(t *testing.T) {
	src := chanio.FromSlice([][]byte{})
	require.PanicsWithValue(t, "chanio: ReadAll: limit must be at least 1, got 0",
		func() { _, _ = chanio.ReadAll(t.Context(), src, 0) })
	require.PanicsWithValue(t, "chanio: FromReader: r is nil", func() { chanio.FromReader(nil) })
	require.PanicsWithValue(t, "chanio: ToWriter: w is nil", func() { chanio.ToWriter(nil) })
	require.PanicsWithValue(t, "chanio: FromFile: f is nil", func() { chanio.FromFile(nil, 0, 0) })
	require.PanicsWithValue(t, "chanio: FromFile: off must be at least 0, got -1", func() { chanio.FromFile(os.Stdin, -1, 0) })
	require.PanicsWithValue(t, "chanio.NewReader: the Source is nil", func() { chanio.NewReader(t.Context(), nil) })
	require.PanicsWithValue(t, "chanio: NewWriter: the Sink is nil", func() { chanio.NewWriter(t.Context(), nil) })
	require.PanicsWithValue(t, "chanio.BytesOf: the Source is nil", func() { chanio.BytesOf(nil) })
	require.PanicsWithValue(t, "chanio: BytesTo: the Sink is nil", func() { chanio.BytesTo(nil) })
}
