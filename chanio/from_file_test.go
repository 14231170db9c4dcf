package chanio_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// byEveryRoute returns ways to receive all bytes of a Source.
func byEveryRoute(t *testing.T) map[string]func(src *chanio.Source[[]byte]) (string, error) {
	return map[string]func(src *chanio.Source[[]byte]) (string, error){
		"ReadAll": func(src *chanio.Source[[]byte]) (string, error) {
			p, err := chanio.ReadAll(t.Context(), src, 1<<20)
			return string(p), err
		},
		"Recv": func(src *chanio.Source[[]byte]) (string, error) {
			var all []byte
			for p := range src.All(t.Context()) {
				all = append(all, p...)
			}
			return string(all), src.Err()
		},
		"NewReader": func(src *chanio.Source[[]byte]) (string, error) {
			p, err := io.ReadAll(chanio.NewReader(t.Context(), src))
			return string(p), err
		},
		"Transfer": func(src *chanio.Source[[]byte]) (string, error) { // by sendfile, where there is that
			near, far := sockets(t, "tcp", nil)
			n, err := chanio.Transfer(t.Context(), src, near.Out)
			require.NoError(t, near.Out.Close())
			p, failed := chanio.ReadAll(t.Context(), far.In, 1<<20)
			require.NoError(t, failed)
			require.EqualValues(t, len(p), n)
			return string(p), err
		},
	}
}

func TestFromFileYieldsTheSectionByEveryRoute(t *testing.T) {
	text := strings.Repeat("0123456789", 20_000)
	f := file(t, []byte(text))
	for name, receive := range byEveryRoute(t) {
		for _, c := range []struct {
			off, n int64
			want   string
			err    error
		}{
			{0, -1, text, nil},
			{0, int64(len(text)), text, nil},
			{7, 100_000, text[7:100_007], nil},
			{150_000, -1, text[150_000:], nil},
			{5, 0, "", nil},
			{int64(len(text)), -1, "", nil},
			{int64(len(text)) + 5, -1, "", nil},
			{199_990, 11, text[199_990:], io.ErrUnexpectedEOF},
			{300_000, 1, "", io.ErrUnexpectedEOF},
		} {
			got, err := receive(chanio.FromFile(f, c.off, c.n))
			require.Equal(t, c.err, err, "%s of %d, %d", name, c.off, c.n)
			require.True(t, c.want == got, "%s of %d, %d: %d bytes", name, c.off, c.n, len(got))
		}
	}
}

func TestSourcesOfOneFileDoNotDisturbEachOther(t *testing.T) {
	text := strings.Repeat("abc", 50_000)
	f := file(t, []byte(text))
	_, err := f.Seek(3, io.SeekStart)
	require.NoError(t, err)
	a, b := chanio.FromFile(f, 0, -1), chanio.FromFile(f, 1, 100_000)
	var gotA, gotB []byte
	for len(gotB) < 100_000 {
		p, err := b.Recv(t.Context())
		require.NoError(t, err)
		gotB = append(gotB, p...)
		if p, err = a.Recv(t.Context()); err == nil {
			gotA = append(gotA, p...)
		}
	}
	require.Equal(t, text[1:100_001], string(gotB))
	rest, err := chanio.ReadAll(t.Context(), a, 1<<20)
	require.NoError(t, err)
	require.True(t, text == string(gotA)+string(rest))
	at, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	require.EqualValues(t, 3, at, "the position of the file is left alone")
}

func TestFromFileCallsItsClosersOnce(t *testing.T) {
	f := file(t, []byte("text"))
	calls := 0
	src := chanio.FromFile(f, 0, -1, func() error { calls++; return f.Close() })
	_, err := chanio.ReadAll(t.Context(), src, 100)
	require.NoError(t, err)
	require.NoError(t, src.Close())
	require.Equal(t, 1, calls)
	_, err = chanio.FromFile(f, 0, -1).Recv(t.Context())
	require.ErrorIs(t, err, os.ErrClosed)
}

// TestTransferOfAFileGoesOnWhereReceivingStopped mixes routes: received bytes are not sent, and buffered bytes are.
func TestTransferOfAFileGoesOnWhereReceivingStopped(t *testing.T) {
	text := strings.Repeat("0123456789", 20_000)
	src := chanio.FromFile(file(t, []byte(text)), 0, -1)
	got := string(first(t, src))
	up := src.Claim("test")
	in := up.Bytes()
	require.NoError(t, in.Fill(t.Context(), 1))
	in.Discard(0)
	up.Release()
	rest, err := byEveryRoute(t)["Transfer"](src)
	require.NoError(t, err)
	require.True(t, text == got+rest)
}
