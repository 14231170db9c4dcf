package clients_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

// BenchmarkCaller measures calls to an echo over one TCP connection: from one goroutine, and from 64 that share it.
func BenchmarkCaller(b *testing.B) {
	port := echo(b)
	dial := func(b *testing.B) *clients.Caller[string, string] {
		c, err := clients.DialTCP(b.Context(), fmt.Sprint("127.0.0.1:", port), nil)
		require.NoError(b, err)
		m := clients.NewCaller(b.Context(), codec.Frame(c, codec.Lines), nil)
		b.Cleanup(func() { _ = m.Close() })
		return m
	}
	const line = "a request of some forty bytes, and its reply"
	b.Run("callers=1", func(b *testing.B) {
		m := dial(b)
		b.ReportAllocs()
		for b.Loop() {
			_, err := m.Call(b.Context(), line)
			require.NoError(b, err)
		}
	})
	b.Run("callers=64", func(b *testing.B) {
		m := dial(b)
		b.ReportAllocs()
		b.SetParallelism(32) // times GOMAXPROCS
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := m.Call(b.Context(), line); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkPool measures Get and Release of an idle value.
func BenchmarkPool(b *testing.B) {
	f := &factory{}
	p := clients.NewPool(f.open, f.close, nil)
	defer p.Close()
	b.ReportAllocs()
	for b.Loop() {
		l, err := p.Get(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		l.Release()
	}
}
