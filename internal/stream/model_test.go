package stream_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/stream"
)

var modelSeed = flag.Uint64("model.seed", 0, "run the random model test with this seed alone")

// The model has several senders, each of which numbers its values, and one receiver. A value that was accepted arrives
// whole, once and in its sender's order, and nothing else arrives. A call that returns an error has no effect. There is
// one end. It is clean after a Close that succeeded, and everything accepted before has arrived by then. Otherwise it
// is an abort, after which only a tail of the values may be missing.
func TestRandomOperationsAgreeWithAModel(t *testing.T) {
	seeds := []uint64{*modelSeed}
	if *modelSeed == 0 {
		n := 4
		if os.Getenv("WEIR_LONG") == "1" {
			n = 15
		}
		for range n {
			seeds = append(seeds, rand.Uint64())
		}
		seeds = seeds[1:]
	}
	for name, pair := range pairs {
		for _, seed := range seeds {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				n := runtime.NumGoroutine()
				m := &model{t: t, rnd: rand.New(rand.NewPCG(seed, 1))}
				cfg := config(&stream.Config{
					Linger:     2 * time.Second,
					SendBuffer: []int{0, 1, 500, 20 << 10}[m.rnd.IntN(4)],
					Coalesce:   []time.Duration{0, -1, time.Millisecond}[m.rnd.IntN(3)],
				})
				m.x, m.y = pair(t, cfg, cfg)
				m.run()
				require.True(t, settles(n), "goroutines remain")
			})
		}
	}
}

// model is one run.
type model struct {
	t    *testing.T
	rnd  *rand.Rand
	x, y *stream.Stream

	accepted [4]atomic.Uint32 // by sender: how many values were accepted
	unsure   atomic.Bool      // a call failed because the stream ended: its value may have arrived
	aborted  atomic.Bool
}

// A value consists of sender, number, length and filler.
func value(sender, number uint32, size int) []byte {
	p := make([]byte, 12+size)
	binary.BigEndian.PutUint32(p, sender)
	binary.BigEndian.PutUint32(p[4:], number)
	binary.BigEndian.PutUint32(p[8:], uint32(size))
	for i := range p[12:] {
		p[12+i] = byte(number + uint32(i))
	}
	return p
}

func (m *model) run() {
	var senders sync.WaitGroup
	for i := range m.accepted {
		rnd := rand.New(rand.NewPCG(m.rnd.Uint64(), 2))
		senders.Go(func() { m.send(uint32(i), rnd) })
	}
	stop := make(chan struct{})
	var meddlers sync.WaitGroup
	rnd := rand.New(rand.NewPCG(m.rnd.Uint64(), 3))
	meddlers.Go(func() { m.meddle(rnd, stop) })
	abort := m.rnd.IntN(4) == 0
	after := time.Duration(m.rnd.IntN(20)) * time.Millisecond
	var closeErr error
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if abort {
			time.Sleep(after)
			m.aborted.Store(true)
			m.x.Abort(errTest)
		}
		senders.Wait()
		closeErr = m.x.Out.Close()
	}()
	got, err := m.receive(rand.New(rand.NewPCG(m.rnd.Uint64(), 4)))
	<-closed
	close(stop)
	meddlers.Wait()
	m.judge(got, err, closeErr)
	_ = m.y.Out.Close()
	_ = m.x.In.Close()
	_ = m.y.In.Close()
	<-m.x.Released()
	<-m.y.Released()
}

// send sends in a random way.
func (m *model) send(sender uint32, rnd *rand.Rand) {
	n := uint32(0)
	next := func() []byte {
		size := rnd.IntN(100)
		switch rnd.IntN(12) {
		case 0:
			size = rnd.IntN(5000)
		case 1:
			size = 15<<10 + rnd.IntN(3<<10)
		case 2:
			size = rnd.IntN(200 << 10)
		}
		v := value(sender, n, size)
		n++
		return v
	}
	for range 60 {
		ctx, cancel := bg, func() {}
		if rnd.IntN(3) == 0 {
			ctx, cancel = context.WithTimeout(bg, time.Duration(rnd.IntN(1000))*time.Microsecond)
		}
		var count int
		var err error
		before := n
		switch v := next(); rnd.IntN(5) {
		case 0:
			var ok bool
			if ok, err = m.x.Out.TryEnd(nil, v); ok {
				count = 1
			} else if err == nil {
				err = context.Canceled
			}
		case 1:
			vs := [][]byte{v, next(), next()}
			count, err = m.x.Out.SendAll(ctx, vs)
		case 2:
			s := append(m.x.Out.Begin(), v[:12]...)
			err = m.x.Out.End(ctx, s, v[12:])
		case 3:
			s := append(m.x.Out.Begin(), v...)
			var ok bool
			if ok, err = m.x.Out.TryEnd(s, nil); ok {
				count = 1
			} else if err == nil {
				err = context.Canceled
			}
		default:
			err = m.x.Out.Send(ctx, v)
			clear(v) // the stream refers to it no more
		}
		cancel()
		if err == nil {
			count = int(n - before)
		}
		n = before + uint32(count)
		m.accepted[sender].Store(n)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) && !resumable(err) {
			m.unsure.Store(true)
			return
		}
	}
}

func resumable(err error) bool { return deadline.Resumable(bg, err) }

// meddle makes calls that must have no effect.
func (m *model) meddle(rnd *rand.Rand, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rnd.IntN(500)) * time.Microsecond):
		}
		ctx, cancel := context.WithTimeout(bg, time.Duration(rnd.IntN(2000))*time.Microsecond)
		switch rnd.IntN(6) {
		case 0:
			_ = m.x.Out.Flush(ctx)
		case 1:
			m.x.Out.Cork(true)
			time.Sleep(time.Duration(rnd.IntN(500)) * time.Microsecond)
			m.x.Out.Cork(false)
		case 2:
			m.x.Out.SetDeadline(time.Now().Add(time.Duration(rnd.IntN(500)) * time.Microsecond))
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Microsecond)
			m.x.Out.SetDeadline(time.Time{})
		case 3:
			_ = m.y.Out.Send(ctx, []byte("other direction"))
		case 4:
			_, _ = m.x.In.Next(ctx)
		case 5:
			m.y.In.SetDeadline(time.Now().Add(time.Duration(rnd.IntN(500)) * time.Microsecond))
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Microsecond)
			m.y.In.SetDeadline(time.Time{})
		}
		cancel()
	}
}

// receive receives in a random way until the end.
func (m *model) receive(rnd *rand.Rand) (got []byte, err error) {
	in := &m.y.In
	for {
		ctx, cancel := bg, func() {}
		if rnd.IntN(3) == 0 {
			ctx, cancel = context.WithTimeout(bg, time.Duration(rnd.IntN(500))*time.Microsecond)
		}
		var p []byte
		switch rnd.IntN(4) {
		case 0:
			if p, _, err = in.TryNext(); p == nil && err == nil {
				err = in.Fill(ctx, 1+rnd.IntN(100000))
			}
		case 1:
			p = make([]byte, 1+rnd.IntN(40000))
			var n int
			n, err = in.Read(ctx, p)
			p = p[:n]
		case 2:
			p = slices.Clone(in.Buffered())
			if len(p) > 0 {
				p = p[:rnd.IntN(len(p))]
			}
			in.Discard(len(p))
			if rnd.IntN(2) == 0 && len(p) > 0 {
				in.Unread(p)
				p = nil
			}
			err = in.Fill(ctx, 1)
		default:
			p, err = in.Next(ctx)
		}
		ended := err != nil && !deadline.Resumable(ctx, err)
		cancel()
		got = append(got, p...)
		if ended {
			return append(got, in.Buffered()...), err
		}
		if rnd.IntN(50) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// judge compares what was received with the model.
func (m *model) judge(got []byte, err, closeErr error) {
	t := m.t
	var arrived [4]uint32
	for len(got) >= 12 {
		sender, number := binary.BigEndian.Uint32(got), binary.BigEndian.Uint32(got[4:])
		size := int(binary.BigEndian.Uint32(got[8:]))
		require.Less(t, sender, uint32(len(arrived)), "bytes are mixed")
		require.Equal(t, arrived[sender], number, "values of a sender are out of order")
		if size > len(got)-12 {
			break
		}
		require.Equal(t, value(sender, number, size), got[:12+size], "bytes of a value are mixed")
		arrived[sender]++
		got = got[12+size:]
	}
	if m.aborted.Load() {
		require.Error(t, closeErr)
		require.ErrorIs(t, m.x.Out.Ending().Err(), errTest)
		return
	}
	require.NoError(t, closeErr)
	require.Equal(t, io.EOF, err)
	require.Empty(t, got, "half a value has arrived")
	require.False(t, m.unsure.Load())
	for i := range arrived {
		require.Equal(t, m.accepted[i].Load(), arrived[i], "sender %d", i)
	}
	require.NoError(t, m.x.Out.Ending().Err())
	require.NoError(t, m.y.In.Ending().Err())
}
