package stream_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/stream"
)

// TestNothingIsHeldBackPastTheReceiverWhoWaits sends from one goroutine while another discards the last available byte
// and waits. Either the sender notices that, or the receiver sends what was held back. The delay is too long to help. Each
// round takes milliseconds if only one processor is free, so time bounds their number.
func TestNothingIsHeldBackPastTheReceiverWhoWaits(t *testing.T) {
	const rounds, enough = 5000, 5 * time.Second
	a, b := tcpPair(t)
	s := stream.New(a, config(&stream.Config{Coalesce: time.Hour}))
	var turn atomic.Int64 // of the sender, which spins: it is to run beside the receiver; negative: no more
	sent, received := make(chan error, 1), make(chan error, 1)
	go func() {
		var err error
		for i := int64(1); err == nil; i++ {
			now := turn.Load()
			for ; 0 <= now && now < i; now = turn.Load() {
				runtime.Gosched()
			}
			if now < 0 {
				break
			}
			err = s.Out.Send(t.Context(), []byte("x"))
		}
		sent <- err
	}()
	go func() {
		var err error
		for i := 0; err == nil; i++ {
			if err = s.In.Fill(t.Context(), 1); err != nil {
				break
			}
			turn.Add(1)
			for j := range i % 300 {
				turn.CompareAndSwap(-1-int64(j), 0) // takes a moment
			}
			s.In.Discard(1)
		}
		turn.Store(-1)
		received <- err
	}()
	one := make([]byte, 1)
	for i, began := 0, time.Now(); i < rounds && time.Since(began) < enough; i++ {
		require.NoError(t, b.SetDeadline(time.Now().Add(20*time.Second)))
		_, err := b.Write(one)
		require.NoError(t, err)
		_, err = b.Read(one)
		require.NoError(t, err, "round %d", i)
	}
	require.NoError(t, b.Close())
	require.ErrorContains(t, <-received, "EOF")
	require.NoError(t, <-sent)
	_ = s.Close()
}
