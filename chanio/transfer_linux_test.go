package chanio

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTransferKnowsTheCheapestRoute checks that the bytes stay in the kernel where that is possible.
func TestTransferKnowsTheCheapestRoute(t *testing.T) {
	tcp := func() *Conn {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		nc, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		return NewConn(nc, nil)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	defer f.Close()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	memory, _ := Pipe()
	a, b := tcp(), tcp()
	for name, c := range map[string]struct {
		want any
		src  *Source[[]byte]
		dst  *Sink[[]byte]
	}{
		"splice":       {&splicer{}, a.In, b.Out},
		"sendfile":     {&fileSender{}, FromFile(f, 0, -1), b.Out},
		"not a file":   {nil, FromReader(r), b.Out},
		"not a socket": {nil, a.In, memory.Out},
	} {
		way := newRoute(t.Context(), Upstream[[]byte]{s: c.src}, c.dst.hooks.Bytes)
		require.IsType(t, c.want, way, name)
		if way != nil {
			way.close()
		}
	}
	for _, c := range []*Conn{a, b, memory} {
		c.Out.Abort(nil)
	}
}
