package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFinalBlocksOfAMessageAreBounded(t *testing.T) {
	var final bytes.Buffer
	z, err := flate.NewWriter(&final, flate.BestSpeed)
	require.NoError(t, err)
	_, err = z.Write([]byte("a"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for n, want := range map[int]error{maxFinals / 2: io.EOF, 100 * maxFinals: ErrTooLarge} {
		f := new(Deflate).newInflating(append(bytes.Repeat(final.Bytes(), n), 0), nil, 1<<20) // the 0 is that of RFC 7692 7.2.3.4
		var err error
		for p := make([]byte, 100); err == nil; {
			_, err = f.read(p)
		}
		require.ErrorIs(t, err, want)
		if err == io.EOF {
			require.EqualValues(t, n, f.size)
		} else {
			require.Less(t, f.size, int64(2*maxFinals), "the limit of what comes of it was not what ended it")
		}
	}
}

// A message that ends with a final block, without the padding that RFC 7692, 7.2.3.4, asks for, is complete: what a plain
// DEFLATE compressor makes (oven-sh/bun 34105). The next message may refer to it.
func TestMessageMayEndWithAFinalBlock(t *testing.T) {
	d := new(Deflate)
	var window []byte
	for _, text := range []string{"hello hello hello", "", "hello again"} {
		var p bytes.Buffer
		z, err := flate.NewWriterDict(&p, flate.BestCompression, window)
		require.NoError(t, err)
		_, err = z.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		f := d.newInflating(p.Bytes(), window, 1<<20)
		out, err := f.inflate(nil)
		require.NoError(t, err)
		require.Equal(t, text, string(out))
		window = f.window
	}
}

// The bytes that newInflating appends are no data of a message whose final block is cut.
func TestMessageWithACutFinalBlockIsInvalid(t *testing.T) {
	for name, p := range map[string]string{
		"compressed":       "\x4b\x04", // without the end of the block
		"stored":           "\x01\x02\x00\xfd\xffa",
		"stored, far more": "\x01\x08\x00\xf7\xff",
	} {
		_, err := new(Deflate).newInflating([]byte(p), nil, 1<<20).inflate(nil)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
	}
}
