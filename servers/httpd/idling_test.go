package httpd

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// TestEachWaitEndsAfterTheIdleTimeoutOfItsOwn starts and ends waits of many connections at random, and compares the
// waits that idlers ends with a simple model.
func TestEachWaitEndsAfterTheIdleTimeoutOfItsOwn(t *testing.T) {
	const limit = 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Log("seed", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		srv := New(nil, &Config{IdleTimeout: limit})
		type wait struct {
			c     *conn
			since int64
			began time.Time // zero during a request
		}
		var all []*wait
		remove := func(w *wait) {
			srv.idlers.remove(w.c)
			all = slices.DeleteFunc(all, func(x *wait) bool { return x == w })
			require.Zero(t, w.c.idling.place.Load())
			_ = w.c.nc.Close()
		}
		for range 5000 {
			switch {
			case len(all) < 50:
				a, b := chanio.Pipe()
				defer b.Abort(nil)
				all = append(all, &wait{c: &conn{serving: &serving{srv: srv}, nc: a}})
			case random.IntN(100) == 0:
				remove(all[random.IntN(len(all))])
				continue
			}
			w := all[random.IntN(len(all))]
			if w.began.IsZero() {
				w.since, w.began = w.c.idling.start(w.c), time.Now()
			} else {
				late := time.Since(w.began) >= limit
				require.Equal(t, !late, w.c.idling.end(w.since))
				if w.began = (time.Time{}); late {
					remove(w)
				}
			}
			time.Sleep(time.Duration(random.Int64N(int64(limit / 50))))
			synctest.Wait()
			for _, w := range all {
				late := !w.began.IsZero() && time.Since(w.began) >= limit
				require.Equal(t, late, w.c.idling.since.Load() == hasExpired)
			}
		}
		for len(all) > 0 {
			remove(all[0])
		}
		require.Empty(t, srv.idlers.all)
	})
}
