package chanio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestNewWriterServesWhateverWrites(t *testing.T) {
	for kind, connect := range map[string]func() (*chanio.Source[[]byte], *chanio.Sink[[]byte]){
		"PipeOf": func() (*chanio.Source[[]byte], *chanio.Sink[[]byte]) { return chanio.PipeOf[[]byte](100) },
		"Conn": func() (*chanio.Source[[]byte], *chanio.Sink[[]byte]) {
			near, far := chanio.Pipe()
			return far.In, near.Out
		},
	} {
		src, sink := connect()
		w := chanio.NewWriter(t.Context(), sink)
		n, err := fmt.Fprintf(w, "%d bottles\n", 99)
		require.NoError(t, err, kind)
		require.Equal(t, 11, n, kind)
		require.NoError(t, json.NewEncoder(w).Encode(map[string]int{"a": 1}), kind)
		copied, err := io.Copy(w, iotest.OneByteReader(strings.NewReader("copied")))
		require.NoError(t, err, kind)
		require.EqualValues(t, 6, copied, kind)
		copied, err = io.Copy(w, struct{ io.Reader }{bytes.NewReader(bytes.Repeat([]byte("x"), 50_000))}) // in pieces
		require.NoError(t, err, kind)
		require.EqualValues(t, 50_000, copied, kind)
		require.NoError(t, w.Close(), kind)
		_, err = w.Write([]byte("late"))
		require.Equal(t, net.ErrClosed, err, kind)
		got, err := chanio.ReadAll(t.Context(), src, 1<<20)
		require.NoError(t, err, kind)
		require.Equal(t, "99 bottles\n{\"a\":1}\ncopied"+strings.Repeat("x", 50_000), string(got), kind)
	}
}

// TestG12NewWriterKeepsNothingOfWhatIsWritten uses a sink that passes values on unchanged.
func TestG12NewWriterKeepsNothingOfWhatIsWritten(t *testing.T) {
	src, sink := chanio.PipeOf[[]byte](3)
	w := chanio.NewWriter(t.Context(), sink)
	p := []byte("first")
	_, err := w.Write(p)
	require.NoError(t, err)
	copy(p, "XXXXX")
	rounds := []string{"second", "third!", ""}
	_, err = io.Copy(w, readFunc(func(p []byte) (n int, err error) {
		n = copy(p, rounds[0])
		rounds = rounds[1:]
		if n == 0 {
			err = io.EOF
		}
		return n, err
	}))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Equal(t, [][]byte{[]byte("first"), []byte("second"), []byte("third!")}, collect(t, src))
}

func TestNewWriterReportsTheReaderAndTheSink(t *testing.T) {
	_, sink := chanio.PipeOf[[]byte](10)
	w := chanio.NewWriter(t.Context(), sink)
	n, err := io.Copy(w, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errBroken)))
	require.Equal(t, errBroken, err)
	require.EqualValues(t, 3, n)
	sink.Abort(io.ErrShortWrite)
	n, err = io.Copy(w, strings.NewReader("abc"))
	require.Equal(t, io.ErrShortWrite, err)
	require.Zero(t, n)
	require.Equal(t, io.ErrShortWrite, w.Close())
}

func TestG2NewWriterHeedsItsCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := chanio.PipeOf[[]byte](0)
		ctx, cancel := context.WithCancelCause(t.Context())
		res := make(chan error)
		n := -1
		go func() {
			var err error
			n, err = chanio.NewWriter(ctx, sink).Write([]byte("x"))
			res <- err
		}()
		synctest.Wait()
		cancel(errBroken)
		require.Equal(t, errBroken, <-res)
		require.Zero(t, n)
		require.NoError(t, sink.Close())
		require.Empty(t, collect(t, src))
	})
}
