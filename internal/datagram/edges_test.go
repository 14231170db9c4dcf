package datagram

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// uncomparable is an error that == panics on.
type uncomparable struct{ parts []string }

func (e uncomparable) Error() string { return strings.Join(e.parts, " ") }

// packets returns the numbers as packets without an address.
func packets(from, to int) (ps []chanio.Packet) {
	for _, s := range numbers(from, to) {
		ps = append(ps, chanio.Packet{Addr: somewhere, Data: []byte(s)})
	}
	return ps
}

func TestSendAllFillsEachCall(t *testing.T) {
	c, k := clogged(t, 1<<20, Config{Coalesce: -1})
	n, err := c.Out.SendAll(t.Context(), packets(0, 2*queueSize+10)...)
	require.NoError(t, err)
	require.Equal(t, 2*queueSize+10, n)
	require.Equal(t, numbers(0, n), k.got())
	require.Equal(t, 3, k.calls, "two full queues and the rest, without a delay")
	n, err = c.Out.SendAll(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, 3, k.calls)
	require.NoError(t, c.Close())
}

func TestSendAllStopsAtWhatItRefuses(t *testing.T) {
	c, k := clogged(t, 1<<20, Config{})
	ps := packets(0, 5)
	ps[3].Addr = netip.AddrPort{}
	n, err := c.Out.SendAll(t.Context(), ps...)
	require.ErrorContains(t, err, "needs an Addr")
	require.Equal(t, 3, n)
	require.Equal(t, numbers(0, 3), k.got(), "what was accepted before has left")
	require.NoError(t, c.Out.Err())
	require.NoError(t, c.Close())
}

func TestSendAllWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 0, Config{})
		ctx, cancel := context.WithCancelCause(t.Context())
		var n int
		sent := make(chan error)
		go func() {
			var err error
			n, err = c.Out.SendAll(ctx, packets(0, 2*roomCount)...)
			sent <- err
		}()
		synctest.Wait()
		k.free(5)
		synctest.Wait()
		cancel(errGivenUp)
		require.ErrorIs(t, <-sent, errGivenUp)
		require.Equal(t, roomCount+5, n, "as many as there was room for")
		k.free(1 << 20)
		require.NoError(t, c.Out.Flush(t.Context()))
		require.Equal(t, numbers(0, n), k.got(), "and no more are sent")
		require.NoError(t, c.Close())
	})
}

func TestTheQueueTakesExactlyItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, bound := range []struct{ size, count int }{{0, roomCount}, {1 << 10, roomBytes >> 10}, {32 << 10, roomBytes >> 15}} {
			c, k := clogged(t, 1, Config{})
			p := chanio.Packet{Addr: somewhere, Data: make([]byte, bound.size)}
			n := 0
			for ; ; n++ {
				ok, err := c.Out.TrySend(p)
				require.NoError(t, err)
				if !ok {
					break
				}
			}
			require.Equal(t, 1+bound.count, n, "one is taken by the kernel")
			require.Equal(t, bound.count, c.Out.Describe().Queued)
			k.free(1)
			synctest.Wait()
			ok, err := c.Out.TrySend(p)
			require.NoError(t, err)
			require.True(t, ok, "there is room again")
			ok, err = c.Out.TrySend(p)
			require.NoError(t, err)
			require.False(t, ok)
			c.Out.Abort(nil)
		}
	})
}

func TestALargeQueueIsNotHeld(t *testing.T) {
	c, k := clogged(t, 1<<20, Config{Coalesce: time.Hour})
	c.Out.Cork()
	p := chanio.Packet{Addr: somewhere, Data: make([]byte, holdBytes/2)}
	require.NoError(t, c.Out.Send(t.Context(), p))
	require.Empty(t, k.got())
	p.Data = p.Data[1:]
	require.NoError(t, c.Out.Send(t.Context(), p))
	require.Empty(t, k.got(), "a byte less than the limit")
	p.Data = p.Data[:1]
	require.NoError(t, c.Out.Send(t.Context(), p))
	require.Len(t, k.got(), 3)
	require.NoError(t, c.Close())
}

// TestAWriteThatFailsLaterIsTold makes the kernel refuse datagrams that were queued while it was full, after Send and
// in a goroutine of the socket.
func TestAWriteThatFailsLaterIsTold(t *testing.T) {
	for _, told := range []func(c *Conn) error{
		func(c *Conn) error { return c.Out.Flush(context.Background()) },
		func(c *Conn) error { return c.Out.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			c, k := clogged(t, 1, Config{})
			sendNumbers(t, c, 0, 4)
			k.mu.Lock()
			k.refuses = map[string]error{"1": syscall.EPERM, "3": syscall.ENETDOWN}
			k.mu.Unlock()
			result := make(chan error)
			go func() { result <- told(c) }()
			synctest.Wait()
			k.free(10)
			err := <-result
			require.ErrorIs(t, err, syscall.EPERM)
			require.ErrorContains(t, err, "2 datagrams were lost")
			require.Equal(t, []string{"0", "2"}, k.got())
			require.EqualValues(t, 2, c.Stats().Sent)
			require.EqualValues(t, 2, c.Stats().Lost)
			require.EqualValues(t, 2, c.Out.Describe().Dropped)
			_ = c.Close()
			<-c.Done()
		})
	}
}

func TestG5AbortDropsWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 1, Config{})
		sendNumbers(t, c, 0, 5)
		closed, flushed, sent := make(chan error), make(chan error), make(chan error)
		go func() { flushed <- c.Out.Flush(context.Background()) }()
		go func() {
			_, err := c.Out.SendAll(context.Background(), packets(5, 1000)...)
			sent <- err
		}()
		synctest.Wait()
		go func() { closed <- c.Out.Close() }()
		synctest.Wait()
		require.ErrorIs(t, <-sent, net.ErrClosed, "Close wakes senders that wait for room")
		why := uncomparable{[]string{"some", "reason"}}
		c.Out.Abort(why)
		require.Equal(t, why, <-flushed)
		require.Equal(t, why, <-closed)
		_, err := c.In.Recv(context.Background())
		require.Equal(t, why, err)
		require.Equal(t, why, c.Out.Send(context.Background(), packets(0, 1)[0]))
		<-c.Done()
		synctest.Wait()
		require.Equal(t, numbers(0, 1), k.got())
		require.Zero(t, c.Out.Describe().Queued, "nothing is kept")
		require.Zero(t, c.Stats().Lost, "what Abort dropped was not lost")
		c.Out.Abort(errors.New("again"))
		require.Equal(t, why, c.Out.Err(), "the first end counts")
	})
}

// TestAbortDuringAWriteDropsTheRest aborts while the kernel is being asked.
func TestAbortDuringAWriteDropsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 1<<20, Config{})
		k.slow = make(chan struct{})
		go sendNumbers(t, c, 0, 1)
		synctest.Wait()
		sendNumbers(t, c, 1, 9) // behind it
		require.Equal(t, 9, c.Out.Describe().Queued)
		c.Out.Abort(errGivenUp)
		require.Equal(t, 9, c.Out.Describe().Queued, "that write is still under way")
		close(k.slow)
		synctest.Wait()
		require.Equal(t, numbers(0, 1), k.got())
		require.Zero(t, c.Out.Describe().Queued)
	})
}

func TestACancelledFlushTakesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 0, Config{})
		sendNumbers(t, c, 0, 3)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Out.Flush(ctx), context.DeadlineExceeded)
		require.NoError(t, c.Out.Err())
		k.free(3)
		require.NoError(t, c.Out.Flush(t.Context()))
		require.Equal(t, numbers(0, 3), k.got())
		require.NoError(t, c.Close())
	})
}

// TestACallerHasItsPayloadBack changes a payload after Send has returned, while the kernel is full.
func TestACallerHasItsPayloadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 0, Config{})
		data := []byte("mine")
		for range 2 {
			require.NoError(t, c.Out.Send(t.Context(), chanio.Packet{Addr: somewhere, Data: data}))
		}
		copy(data, "XXXX")
		k.free(2)
		require.NoError(t, c.Out.Flush(t.Context()))
		require.Equal(t, []string{"mine", "mine"}, k.got())
		require.NoError(t, c.Close())
	})
}

func TestUncorkTooOftenDoesNoHarm(t *testing.T) {
	c, k := clogged(t, 1<<20, Config{Coalesce: time.Hour})
	uncork := c.Out.Cork()
	uncork()
	uncork()
	c.Out.Cork()
	sendNumbers(t, c, 0, 1)
	require.Empty(t, k.got(), "the cork counts")
	require.NoError(t, c.Close())
}

// scripted is a reader with prepared results.
type scripted struct {
	reads []any // []string or error, one for each read
	after error // then
	waits []bool
}

func (r *scripted) read(wait bool) (first []chanio.Packet, err error) {
	r.waits = append(r.waits, wait)
	if len(r.reads) == 0 {
		return nil, r.after
	}
	next := r.reads[0]
	r.reads = r.reads[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	for _, s := range next.([]string) {
		first = append(first, chanio.Packet{Addr: somewhere, Data: []byte(s)})
	}
	return first, nil
}

func scriptedConn(t *testing.T, after error, reads ...any) (*Conn, *scripted) {
	c := open(t, Config{})
	r := &scripted{reads: reads, after: after}
	c.in.r = r
	return c, r
}

func TestAReadThatFailsEndsIn(t *testing.T) {
	c, _ := scriptedConn(t, syscall.EBADF, []string{"1"}, []string{}, syscall.ECONNREFUSED, []string{"2"})
	require.Equal(t, []string{"1", "2"}, receive(t, c, 2), "nothing to receive and a report end nothing")
	require.ErrorIs(t, c.Out.Flush(t.Context()), syscall.ECONNREFUSED)
	_, err := c.In.Recv(t.Context())
	require.ErrorIs(t, err, syscall.EBADF)
	require.True(t, errors.As(err, new(*net.OpError)))
	require.ErrorContains(t, err, "read udp")
	_, again := c.In.Recv(t.Context())
	require.Equal(t, err, again, "and it stays so")
	_, ok, tried := c.In.TryRecv()
	require.False(t, ok)
	require.Equal(t, err, tried)
	require.Equal(t, "sending only", c.state())
	require.NoError(t, c.Out.Err())
	require.ErrorIs(t, c.Out.Close(), errors.ErrUnsupported)
	<-c.Done()
}

func TestAnErrorOfACtxIsNotTheEndOfIn(t *testing.T) {
	c := open(t, Config{})
	for _, cause := range []error{errGivenUp, net.ErrClosed, uncomparable{}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		received := make(chan error)
		go func() {
			_, err := c.In.Recv(ctx)
			received <- err
		}()
		cancel(cause)
		require.Equal(t, chanio.Cause(ctx), <-received)
		send(t, c, c, "x")
		require.Equal(t, []string{"x"}, receive(t, c, 1))
	}
}

func TestARecvWhoseCtxHasEndedTakesNothing(t *testing.T) {
	c, _ := scriptedConn(t, errEmpty, []string{"1", "2"})
	require.Equal(t, []string{"1"}, receive(t, c, 1))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGivenUp)
	_, err := c.In.Recv(ctx)
	require.ErrorIs(t, err, errGivenUp)
	require.Equal(t, []string{"2"}, receive(t, c, 1))
}

// TestShutdownReadsAllThatHasArrived mixes reports and dropped datagrams with datagrams that have arrived.
func TestShutdownReadsAllThatHasArrived(t *testing.T) {
	why := uncomparable{[]string{"shutting", "down"}}
	c, r := scriptedConn(t, errEmpty, []string{"1"}, syscall.ECONNREFUSED, []string{}, []string{"2", "3"})
	c.in.drain(why)
	require.Equal(t, []string{"1", "2", "3"}, receive(t, c, 3))
	_, err := c.In.Recv(t.Context())
	require.Equal(t, why, err)
	require.Equal(t, []bool{false, false, false, false, false}, r.waits, "no read waits")
	require.ErrorIs(t, c.Out.Flush(t.Context()), syscall.ECONNREFUSED)
}

func TestShutdownEndsAlthoughPeersGoOn(t *testing.T) {
	c, r := scriptedConn(t, nil)
	for range 2 * lastReads {
		r.reads = append(r.reads, []string{"more"})
	}
	c.in.drain(errGivenUp)
	require.Len(t, receive(t, c, lastReads), lastReads)
	_, err := c.In.Recv(t.Context())
	require.ErrorIs(t, err, errGivenUp)
	require.Len(t, r.waits, lastReads)
}

func TestCloseAfterShutdownReadsNoMore(t *testing.T) {
	c, r := scriptedConn(t, errEmpty, []string{"1", "2"}, []string{"3"})
	c.in.drain(errGivenUp)
	require.Equal(t, []string{"1"}, receive(t, c, 1))
	require.NoError(t, c.In.Close())
	_, err := c.In.Recv(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	require.Len(t, r.waits, 1)
}

func TestShutdownWakesAReceiver(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		cfg.Shutdown = errGivenUp
		c := open(t, cfg)
		received, down := make(chan error), make(chan error)
		go func() {
			_, err := c.In.Recv(context.Background())
			received <- err
		}()
		go func() { down <- c.Shutdown(context.Background()) }()
		require.ErrorIs(t, <-received, errGivenUp)
		require.ErrorIs(t, c.In.Err(), errGivenUp)
		require.Equal(t, "sending only", c.state())
		require.NoError(t, c.Close())
		require.NoError(t, <-down)
		require.NoError(t, c.Shutdown(context.Background()), "also when it is over")
	})
}

func TestWhatIsAtHandIsTakenWithoutARead(t *testing.T) {
	c, r := scriptedConn(t, errEmpty, []string{"1", "2", "3", "4", "5"})
	_, ok, err := c.In.TryRecv()
	require.False(t, ok)
	require.NoError(t, err)
	require.Empty(t, r.waits)
	require.Equal(t, []string{"1"}, receive(t, c, 1))
	require.True(t, c.rule.HoldsLocked(), "more is at hand, so what is sent waits")
	p, ok, err := c.In.TryRecv()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "2", string(p.Data))

	up := c.In.Claim("test")
	batch := up.AtHand(make([]chanio.Packet, 0, 2))
	require.Len(t, batch, 2)
	require.Equal(t, "4", string(batch[1].Data))
	batch = up.AtHand(make([]chanio.Packet, 0, 2))
	require.Len(t, batch, 1)
	require.True(t, c.rule.HoldsLocked(), "it may be unprocessed")
	_, ok, _ = up.TryNext()
	require.False(t, ok)
	require.False(t, c.rule.HoldsLocked(), "it is not by now")
	require.Empty(t, up.AtHand(make([]chanio.Packet, 0, 2)))
	require.Len(t, r.waits, 1)
}

func TestAReceiverThatWaitsSendsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k := clogged(t, 1<<20, Config{Coalesce: time.Hour})
		c.in.r = &scripted{reads: []any{[]string{"1", "2"}}, after: syscall.EBADF}
		receive(t, c, 1)
		sendNumbers(t, c, 0, 1)
		receive(t, c, 1)
		require.Empty(t, k.got(), "the second was at hand")
		sendNumbers(t, c, 1, 2)
		require.Equal(t, numbers(0, 2), k.got(), "nothing is at hand now")
		c.Out.Cork()
		sendNumbers(t, c, 2, 3)
		require.Equal(t, numbers(0, 2), k.got())
		_, err := c.In.Recv(t.Context())
		require.ErrorIs(t, err, syscall.EBADF)
		require.Equal(t, numbers(0, 3), k.got())
		require.False(t, c.out.pending.Load(), "receivers that wait need no lock")
		require.NoError(t, c.Close())
	})
}

func TestG4BothHalvesAreClosedOnce(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		c := open(t, cfg)
		below := 0
		closeBelow := c.closeBelow
		c.ends.closeBelow = func() { below++; closeBelow() }
		require.ErrorIs(t, c.Out.Close(), errors.ErrUnsupported)
		require.Zero(t, below)
		require.NoError(t, c.In.Close())
		require.NoError(t, c.Close())
		c.Out.Abort(nil)
		require.Equal(t, 1, below)
		require.ErrorIs(t, c.uc.SetDeadline(time.Time{}), net.ErrClosed)
		require.NoError(t, c.Out.Err(), "an Abort after Close changes nothing")
		require.ErrorIs(t, c.Out.Send(t.Context(), packets(0, 1)[0]), net.ErrClosed)
	})
}

func TestG5CloseSaysThatTheKernelTookNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := clogged(t, 0, Config{})
		sendNumbers(t, c, 0, 3)
		began := time.Now()
		err := c.Close()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, chanio.DefaultLinger, time.Since(began))
		<-c.Done()
		synctest.Wait()
		require.Zero(t, c.Out.Describe().Queued)
	})
}

// TestEachReportCostsNoDatagram has the kernel tell of lost datagrams, again and again, when it is given others.
func TestEachReportCostsNoDatagram(t *testing.T) {
	c, k := clogged(t, 1<<20, Config{Coalesce: time.Hour})
	c.peer = somewhere
	k.reports = map[string]error{"1": syscall.ECONNREFUSED, "2": syscall.EHOSTUNREACH, "5": syscall.ECONNREFUSED}
	k.refuses = map[string]error{"4": syscall.ECONNREFUSED}
	_, err := c.Out.SendAll(t.Context(), packets(0, 6)...)
	require.NoError(t, err)
	require.ErrorContains(t, c.Out.Flush(t.Context()), "4 datagrams were lost")
	require.Equal(t, []string{"0", "1", "2", "3", "5"}, k.got(), "what is refused again is lost")
	require.NoError(t, c.Close())
}

func TestTheSecondHalfToEndClosesTheSocket(t *testing.T) {
	for _, end := range [][2]func(c *Conn){
		{func(c *Conn) { _ = c.In.Close() }, func(c *Conn) { _ = c.Out.Close() }},
		{func(c *Conn) { _ = c.Out.Close() }, func(c *Conn) { _ = c.In.Close() }},
		{func(c *Conn) { _ = c.In.Close() }, func(c *Conn) { c.Out.Abort(nil) }},
	} {
		c := open(t, Config{})
		end[0](c)
		require.NoError(t, c.uc.SetReadBuffer(1<<16), "it is still open")
		end[1](c)
		<-c.Done()
		require.ErrorIs(t, c.uc.SetReadBuffer(1<<16), net.ErrClosed)
	}
}

func TestShutdownEndsInWithErrClosedUnlessToldOtherwise(t *testing.T) {
	c := open(t, Config{})
	ctx, cancel := context.WithCancelCause(t.Context())
	down := make(chan error)
	go func() { down <- c.Shutdown(ctx) }()
	_, err := c.In.Recv(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, c.Out.Err())
	cancel(errGivenUp)
	require.ErrorIs(t, <-down, errGivenUp)
	require.ErrorIs(t, c.Out.Err(), errGivenUp, "Shutdown aborts when its ctx ends")
	<-c.Done()
}

func TestErrorsNameTheAddress(t *testing.T) {
	c := open(t, Config{})
	err := c.Out.Send(t.Context(), chanio.Packet{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	require.ErrorContains(t, err, "send udp "+c.addr.String()+"->127.0.0.1:0: port 0")
	a, b := connected(t, Config{}, false)
	err = a.Out.Send(t.Context(), chanio.Packet{Data: make([]byte, MaxPayload)})
	require.ErrorContains(t, err, a.addr.String()+"->"+b.addr.String())
	require.Contains(t, a.String(), "udp "+a.addr.String()+" to "+b.addr.String()+" (open, 0 received, 0 sent)")
	require.Equal(t, "PacketConn.In", a.In.Describe().Kind)
	require.Equal(t, a.addr.String(), a.Out.Describe().Name)
}

func TestTheLimitIsThatOfTheFamilyOfTheAddress(t *testing.T) {
	uc, err := net.ListenUDP("udp", &net.UDPAddr{})
	require.NoError(t, err)
	both := New(uc, Config{})
	defer both.Out.Abort(nil)
	if both.v4 {
		t.Skip("no IPv6 here")
	}
	v4, v6 := somewhere, netip.MustParseAddrPort("[::1]:9")
	for _, c := range []struct {
		to    netip.AddrPort
		limit int
	}{{v4, 65507}, {v6, 65527}} {
		require.NoError(t, both.check(&chanio.Packet{Addr: c.to, Data: make([]byte, c.limit)}))
		err := both.check(&chanio.Packet{Addr: c.to, Data: make([]byte, c.limit+1)})
		require.ErrorIs(t, err, syscall.EMSGSIZE)
		both.peer = c.to
		require.NoError(t, both.check(&chanio.Packet{Data: make([]byte, c.limit)}), "that of the peer")
		require.ErrorIs(t, both.check(&chanio.Packet{Data: make([]byte, c.limit+1)}), syscall.EMSGSIZE)
		both.peer = netip.AddrPort{}
	}
	for range 2 {
		ok, err := both.Out.TrySend(chanio.Packet{})
		require.False(t, ok)
		require.ErrorIs(t, err, errNoAddr)
	}
}

func TestAbortDropsWhatIsHeld(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		c, to := open(t, cfg), plainSocket(t)
		defer c.Out.Cork()()
		for range 3 {
			require.NoError(t, c.Out.Send(t.Context(), chanio.Packet{Addr: addrPortOf(to.LocalAddr()), Data: []byte("x")}))
		}
		require.Equal(t, 3, c.Out.Describe().Queued)
		c.Out.Abort(nil)
		require.Zero(t, c.Out.Describe().Queued)
	})
}
