package chanio_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
)

var sendersSeed = flag.Uint64("senders.seed", 0, "run the random test of several senders with this seed alone")

// Several senders use one Sink in random ways, also through its channel, with calls that are cancelled, while others
// flush it, cork it and set deadlines. One receiver receives in every way. The values of a sender arrive in order, each
// once and whole; after a clean end, all that were accepted. An abort ends both halves, and loses only the last of them.
func TestRandomSendersAgreeWithAModel(t *testing.T) {
	chaniotest.NoLeak(t)
	seeds, length := []uint64{*sendersSeed}, 2*time.Second
	if os.Getenv("WEIR_LONG") == "1" {
		length = 20 * time.Second
	}
	for start := time.Now(); time.Since(start) < length && !t.Failed(); {
		if *sendersSeed == 0 {
			seeds = append(seeds, rand.Uint64())
		}
		runCrowd(t, seeds[len(seeds)-1])
	}
	t.Logf("%d runs", len(seeds))
}

// crowd is one run.
type crowd struct {
	*testing.T
	seed uint64
	kind string

	out       *chanio.Sink[string]
	in        *chanio.Source[string]
	near, far *chanio.Conn // nil for PipeOf

	accepted [4]int // by sender
	aborts   bool
}

func runCrowd(t *testing.T, seed uint64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS([]int{1, 2, 8}[seed%3]))
	rnd := rand.New(rand.NewPCG(seed, 0))
	c := &crowd{T: t, seed: seed, aborts: rnd.IntN(4) == 0}
	c.connect(rnd)
	watchdog := time.AfterFunc(time.Minute, func() {
		buf := make([]byte, 4<<20)
		panic(fmt.Sprintf("-senders.seed=%d %s hangs\n%s", seed, c.kind, buf[:runtime.Stack(buf, true)]))
	})
	defer watchdog.Stop()
	defer func() {
		if t.Failed() {
			t.Errorf("-senders.seed=%d: %s, aborts: %v", seed, c.kind, c.aborts)
		}
	}()
	c.run(rnd)
}

func (c *crowd) connect(rnd *rand.Rand) {
	kinds := []string{"PipeOf", "pipe", "foreign", "tcp", "tcp", "unix", "tls", "cryptotls"}
	c.kind = kinds[rnd.IntN(len(kinds))]
	var x, y net.Conn
	switch c.kind {
	case "PipeOf":
		c.in, c.out = chanio.PipeOf[string](rnd.IntN(4))
		return
	case "pipe":
		x, y = chaniotest.Pipe([]int{0, 100, 700}[rnd.IntN(3)])
	case "foreign":
		p, q := chaniotest.Pipe(0)
		x, y = foreignConn{p, p.(closeWriter)}, foreignConn{q, q.(closeWriter)}
	case "unix":
		dir, err := os.MkdirTemp("", "weir")
		require.NoError(c, err)
		defer os.RemoveAll(dir)
		x, y = socketPair(c.T, "unix", filepath.Join(dir, "s"))
	case "cryptotls":
		x, y = cryptoTLSConns(c.T)
	default:
		x, y = socketPair(c.T, "tcp", "127.0.0.1:0")
	}
	cfg := &chanio.ConnConfig{
		SendBuffer: []int{0, 1, 3000}[rnd.IntN(3)],
		Coalesce:   []time.Duration{0, -1, time.Millisecond}[rnd.IntN(3)],
	}
	c.near, c.far = chanio.NewConn(x, cfg), chanio.NewConn(y, cfg)
	if c.kind == "tls" {
		server, client := selfSigned()
		shaken := make(chan error)
		go func() {
			var err error
			c.far, err = chanio.TLSServer(c.Context(), c.far, server, cfg)
			shaken <- err
		}()
		var err error
		c.near, err = chanio.TLSClient(c.Context(), c.near, client, cfg)
		require.NoError(c, err)
		require.NoError(c, <-shaken)
	}
	c.in, c.out = codec.Decode(c.far.In, codec.Lines), codec.Encode(c.near.Out, codec.Lines)
}

func (c *crowd) run(rnd *rand.Rand) {
	var senders, others sync.WaitGroup
	stop := make(chan struct{})
	split := func() *rand.Rand { return rand.New(rand.NewPCG(rnd.Uint64(), 1)) }
	for i := range c.accepted {
		rnd := split()
		senders.Go(func() { c.send(rnd, i) })
	}
	meddler := split()
	others.Go(func() { c.meddle(meddler, stop) })
	if after := time.Duration(rnd.IntN(5000)) * time.Microsecond; c.aborts {
		others.Go(func() {
			time.Sleep(after)
			c.out.Abort(errModel)
		})
	}
	var closing [2]error
	for i := range closing {
		others.Go(func() {
			senders.Wait()
			closing[i] = c.out.Close()
		})
	}
	arrived, err := c.receive(split())
	if err != io.EOF && !c.aborts {
		c.out.Abort(errModel) // nobody receives
	}
	senders.Wait()
	close(stop)
	others.Wait()
	require.ErrorIs(c, c.out.Send(c.Context(), "more"), map[bool]error{false: net.ErrClosed, true: c.out.Err()}[c.out.Err() != nil])
	require.Equal(c, closing[0], closing[1])
	switch {
	case c.out.Err() != nil:
		require.True(c, c.aborts, "%v", err)
		require.ErrorIs(c, c.out.Err(), errModel)
		for i := range arrived {
			require.LessOrEqual(c, arrived[i], c.accepted[i]+2, "a call that failed with the stream is uncertain")
		}
	default:
		require.NoError(c, closing[0])
		if !c.aborts { // it may have come between the end of what was sent and its arrival
			require.Equal(c, io.EOF, err)
			require.Equal(c, c.accepted, arrived)
		}
	}
	if c.near != nil {
		c.near.Abort(nil)
		c.far.Abort(nil)
		<-c.near.Done()
		<-c.far.Done()
	}
}

// number returns the next value of a sender.
func number(rnd *rand.Rand, sender, n int) string {
	size := rnd.IntN(30)
	switch rnd.IntN(15) {
	case 0:
		size = rnd.IntN(5000)
	case 1:
		size = 14<<10 + rnd.IntN(4<<10)
	}
	return fmt.Sprintf("%d:%d:%d:%s", sender, n, size, strings.Repeat("x", size))
}

func (c *crowd) send(rnd *rand.Rand, sender int) {
	n := 0
	defer func() { c.accepted[sender] = n }()
	if sender == 0 { // C and Send are not ordered with each other
		ch := c.out.C(c.Context())
		for range 50 {
			select {
			case ch <- number(rnd, sender, n):
				n++
			case <-c.out.Done(): // after the release a channel receives no more
				return
			}
		}
		return
	}
	for range 50 {
		ctx, cancel := brief(rnd)
		vs := []string{number(rnd, sender, n), number(rnd, sender, n+1), number(rnd, sender, n+2)}
		var ok bool
		var err error
		switch rnd.IntN(4) {
		case 0:
			if ok, err = c.out.TrySend(vs[0]); ok {
				n++
			}
		case 1:
			var k int
			k, err = c.out.SendAll(ctx, vs...)
			n += k
		default:
			if err = c.out.Send(ctx, vs[0]); err == nil {
				n++
			}
		}
		ended := over(ctx, err)
		cancel()
		if ended {
			require.ErrorIs(c, err, errModel)
			return
		}
	}
}

// meddle makes calls that must lose nothing.
func (c *crowd) meddle(rnd *rand.Rand, stop <-chan struct{}) {
	for {
		wait := time.Duration(rnd.IntN(300)) * time.Microsecond
		select {
		case <-stop:
			return
		case <-time.After(wait):
		}
		ctx, cancel := brief(rnd)
		switch kind := rnd.IntN(4); {
		case kind == 0:
			_ = c.out.Flush(ctx)
		case kind == 1:
			uncork := c.out.Cork()
			time.Sleep(wait)
			uncork()
		case c.near == nil:
		case kind == 2:
			_ = c.near.SetWriteDeadline(time.Now().Add(wait))
			time.Sleep(2 * wait)
			_ = c.near.SetWriteDeadline(time.Time{})
		case kind == 3:
			_ = c.far.SetReadDeadline(time.Now().Add(wait))
			time.Sleep(2 * wait)
			_ = c.far.SetReadDeadline(time.Time{})
		}
		cancel()
	}
}

// receive receives in random ways to the end, which it returns with the number of values of each sender.
func (c *crowd) receive(rnd *rand.Rand) (arrived [4]int, err error) {
	got := func(v string) {
		var sender, n, size int
		_, _ = fmt.Sscanf(v, "%d:%d:%d:", &sender, &n, &size)
		if whole := fmt.Sprintf("%d:%d:%d:%s", sender, n, size, strings.Repeat("x", size)); v != whole {
			require.True(c, c.aborts && strings.HasPrefix(whole, v), "%.50q", v) // an abort may look like an end
			return
		}
		require.Equal(c, arrived[sender], n, "of sender %d", sender)
		arrived[sender]++
	}
	for {
		ctx, cancel := brief(rnd)
		var v string
		err = nil
		switch rnd.IntN(5) {
		case 0:
			var ok bool
			if v, ok, err = c.in.TryRecv(); ok {
				got(v)
			}
		case 1:
			left := rnd.IntN(10)
			for v, err = range c.in.Values(ctx) {
				if err != nil {
					break
				}
				got(v)
				if left--; left < 0 {
					break
				}
			}
			if left >= 0 && err == nil {
				err = io.EOF
			}
		case 2:
			own, cancel := context.WithCancel(ctx)
			ch := c.in.C(own)
			for range rnd.IntN(10) {
				v, ok := <-ch
				if !ok {
					break
				}
				got(v)
			}
			cancel()
		default:
			if v, err = c.in.Recv(ctx); err == nil {
				got(v)
			}
		}
		ended := over(ctx, err)
		cancel()
		if ended {
			return arrived, err
		}
	}
}
