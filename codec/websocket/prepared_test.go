package websocket

import (
	"compress/flate"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// A prepared message is sent to many, so a failure of the user's compressor for one of them does not last.
func TestPreparedMessageIsCompressedAgainAfterAFailure(t *testing.T) {
	for name, failure := range map[string]func() error{
		"error": func() error { return errors.New("failed") },
		"panic": func() error { panic("failed") },
	} {
		fail := failure
		d := &Deflate{NewWriter: func(w io.Writer, level int) (Compressor, error) {
			if err := fail(); err != nil {
				return nil, err
			}
			return flate.NewWriter(w, level)
		}}
		m, err := Prepare(Text("hello"))
		require.NoError(t, err)
		func() {
			defer func() { _ = recover() }()
			_, err := m.extra.prepared.deflated(d, 15, m.Data)
			require.Error(t, err, name)
		}()
		fail = func() error { return nil }
		out, err := m.extra.prepared.deflated(d, 15, m.Data)
		require.NoError(t, err, name)
		require.NotEmpty(t, out, name)
	}
}
