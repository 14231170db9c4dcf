package memconn

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRingIsAQueueOfBytes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, limit := range []int{1, 2, 511, 513, 3000} {
		r := ring{limit: limit}
		var model []byte
		next := byte(0)
		for range 2000 {
			p := make([]byte, rnd.IntN(limit+2))
			for i := range p {
				p[i] = next + byte(i)
			}
			n := r.write(p)
			require.Equal(t, min(len(p), limit-len(model)), n)
			model = append(model, p[:n]...)
			next += byte(n)

			p = make([]byte, rnd.IntN(limit+2))
			n = r.read(p)
			require.Equal(t, min(len(p), len(model)), n)
			require.True(t, bytes.Equal(model[:n], p[:n]))
			model = model[n:]
			require.Equal(t, len(model), r.size)
			require.LessOrEqual(t, len(r.buf), limit)
		}
	}
}

func TestRingGrowsWithItsTraffic(t *testing.T) {
	r := ring{limit: 3000}
	for _, step := range []struct{ write, buf int }{{0, 0}, {1, 512}, {511, 512}, {1, 1024}, {2000, 2513}, {1000, 3000}} {
		r.write(make([]byte, step.write))
		require.Equal(t, step.buf, len(r.buf))
	}
	r.discard()
	require.Empty(t, r.buf)
}
