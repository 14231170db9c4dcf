//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/pool"
)

// watch counts the system calls that c makes from now on.
func watch(c *Conn) *counted {
	r, w := c.in.r.(*batchReader), c.out.w.(*batchWriter)
	raw := newCounted(r.raw)
	r.raw, w.raw = raw, raw
	return raw
}

func TestManyCrossInOneCall(t *testing.T) {
	c, peer := open(t, Config{Coalesce: time.Hour}), plainSocket(t)
	calls := watch(c)
	r := c.in.r.(*batchReader)
	r.pace.many = true
	for round := range 3 {
		for range readSize {
			_, err := peer.WriteToUDPAddrPort([]byte("sixteen bytes ..."), c.addr)
			require.NoError(t, err)
		}
		for range readSize {
			p, err := c.In.Recv(t.Context())
			require.NoError(t, err)
			require.NoError(t, c.Out.Send(t.Context(), p), "an echo, without any thought of batches")
		}
		require.EqualValues(t, round+1, calls.reads.Load(), "reads")
		require.EqualValues(t, round+1, calls.writes.Load(), "writes")
	}
	s := c.Stats()
	require.EqualValues(t, 3*readSize, s.Received)
	require.EqualValues(t, 3*readSize, s.Sent)
	require.EqualValues(t, 3, s.Reads)
	require.EqualValues(t, 3, s.Writes)
	require.EqualValues(t, 3*readSize*17, s.SentBytes)
}

func TestOneCrossesAtOnce(t *testing.T) {
	c, peer := open(t, Config{}), plainSocket(t)
	calls := watch(c)
	for i := range 10 {
		_, err := peer.WriteToUDPAddrPort([]byte("x"), c.addr)
		require.NoError(t, err)
		p, err := c.In.Recv(t.Context())
		require.NoError(t, err)
		require.NoError(t, c.Out.Send(t.Context(), p))
		require.EqualValues(t, i+1, calls.writes.Load(), "nothing more is at hand, so the reply does not wait")
	}
	require.EqualValues(t, 10, calls.reads.Load())
}

// TestABlockIsOfAnySocket hands a block from a connected socket, which asks for no names, to one that needs them.
func TestABlockIsOfAnySocket(t *testing.T) {
	var one []*readBlock
	blocks := &pool.Pool[readBlock]{New: func() *readBlock {
		if len(one) == 0 {
			one = append(one, newReadBlock(MaxPayload))
		}
		return one[0]
	}}
	a, b := connected(t, Config{}, false)
	c := open(t, Config{})
	a.in.r.(*batchReader).pool, c.in.r.(*batchReader).pool = blocks, blocks
	for range 3 {
		require.NoError(t, b.Out.Send(t.Context(), chanio.Packet{Data: []byte("x")}))
		p, err := a.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, b.addr, p.Addr)
		a.in.r.(*batchReader).giveBack()
		send(t, c, c, "y")
		p, err = c.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, c.addr, p.Addr)
		c.in.r.(*batchReader).giveBack()
	}
}

func TestG17NothingIsReadBeforeSomebodyAsks(t *testing.T) {
	c, peer := open(t, Config{}), plainSocket(t)
	calls := watch(c)
	_, err := peer.WriteToUDPAddrPort([]byte("x"), c.addr)
	require.NoError(t, err)
	require.NoError(t, c.Out.Flush(t.Context()))
	require.Zero(t, calls.reads.Load())
	receive(t, c, 1)
	require.EqualValues(t, 1, calls.reads.Load())
}

func TestNoAllocationPerDatagram(t *testing.T) {
	const many = 64
	c, peer := open(t, Config{}), plainSocket(t)
	ctx := t.Context()
	data := make([]byte, 64)
	to := peer.LocalAddr().(*net.UDPAddr).AddrPort()
	perRound := testing.AllocsPerRun(200, func() {
		for range many {
			_, _ = peer.WriteToUDPAddrPort(data, c.addr)
		}
		for range many {
			p, err := c.In.Recv(ctx)
			if err != nil || p.Addr != to {
				t.Error(p, err)
			}
			if err := c.Out.Send(ctx, p); err != nil {
				t.Error(err)
			}
		}
	})
	require.LessOrEqual(t, perRound, 4.0, "for %d datagrams: an arena now and then", many)
	perDatagram := testing.AllocsPerRun(1000, func() {
		_, _ = peer.WriteToUDPAddrPort(data, c.addr)
		p, _ := c.In.Recv(ctx)
		_ = c.Out.Send(ctx, p)
	})
	require.Zero(t, perDatagram)
}

func TestAnIdleSocketHoldsNoBuffer(t *testing.T) {
	c, peer := open(t, Config{}), plainSocket(t)
	_, err := peer.WriteToUDPAddrPort([]byte("x"), c.addr)
	require.NoError(t, err)
	p, err := c.In.Recv(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.Out.Send(t.Context(), p))
	calls := watch(c)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-calls.waits
		cancel(errGivenUp)
	}()
	_, err = c.In.Recv(ctx)
	require.ErrorIs(t, err, errGivenUp)
	require.True(t, c.in.r.(*batchReader).blk == nil)
	require.True(t, c.out.q == nil && c.out.rest == nil)
}

// TestWhatIsCutAndJoinedArrivesAsSent sends runs of any sizes to several sockets, with and without the help of the
// kernel on either side.
func TestWhatIsCutAndJoinedArrivesAsSent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 40 {
		from := open(t, Config{NoOffload: round%4 == 1})
		to := []*Conn{open(t, Config{}), open(t, Config{NoOffload: true}), open(t, Config{MaxDatagram: 20000})}
		for _, c := range to {
			if r := c.in.r.(*batchReader); r.mayJoin {
				raw, err := c.uc.SyscallConn()
				require.NoError(t, err)
				require.NoError(t, raw.Control(r.join))
				require.True(t, r.joined)
			}
		}
		want := make([][]string, len(to))
		uncork := from.Out.Cork()
		size, dst := 0, 0
		for i := range 150 {
			if rng.IntN(6) == 0 {
				size = []int{0, 1, 7, 64, 1200, 1472, 9000, 20000}[rng.IntN(8)]
			}
			if rng.IntN(10) == 0 {
				dst = rng.IntN(len(to))
			}
			s := string(bytes.Repeat([]byte{byte(i)}, max(0, size-rng.IntN(2)*rng.IntN(2))))
			send(t, from, to[dst], s)
			want[dst] = append(want[dst], s)
		}
		uncork()
		require.NoError(t, from.Out.Flush(t.Context()))
		for i, c := range to {
			require.Equal(t, want[i], append([]string(nil), receive(t, c, len(want[i]))...), "socket %d of round %d", i, round)
			require.Zero(t, c.Stats().Truncated)
			c.Out.Abort(nil)
		}
		from.Out.Abort(nil)
	}
}

func TestWhatTheKernelWillNotCutIsSentUncut(t *testing.T) {
	from, to := open(t, Config{}), open(t, Config{})
	raw, err := from.uc.SyscallConn()
	require.NoError(t, err)
	const soNoCheck = 11 // without checksums the kernel refuses to cut
	require.NoError(t, control(raw, func(fd uintptr) error {
		return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soNoCheck, 1)
	}))
	var want []string
	uncork := from.Out.Cork()
	for i := range 60 {
		want = append(want, fmt.Sprintf("datagram %02d", i))
	}
	send(t, from, to, want...)
	uncork()
	require.NoError(t, from.Out.Flush(t.Context()))
	require.Equal(t, want, receive(t, to, len(want)))
	require.Less(t, from.out.w.(*batchWriter).segment, len(want[0]), "and it is not asked again")
	require.Zero(t, from.Stats().Lost)
}

func TestAnAddressThatIsRefusedDoesNotEndSplitting(t *testing.T) {
	c := open(t, Config{}) // bound to the loopback, so nothing else is reached from it
	p := chanio.Packet{Addr: netip.MustParseAddrPort("192.0.2.1:9"), Data: []byte{1}}
	n, err := c.Out.SendAll(t.Context(), p, p, p)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	if err = c.Out.Flush(t.Context()); !errors.Is(err, syscall.EINVAL) {
		t.Skip("this network has another answer: ", err)
	}
	require.EqualValues(t, 3, c.Stats().Lost)
	require.Equal(t, segmentDefault, c.out.w.(*batchWriter).segment)
}

func TestRunsAreOfOneSizeToOneAddress(t *testing.T) {
	a, b := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:1")
	for _, c := range []struct {
		sizes []int
		addrs []netip.AddrPort
		n     int
		size  int
	}{
		{[]int{5}, []netip.AddrPort{a}, 1, 5},
		{[]int{5, 5, 5}, []netip.AddrPort{a, a, a}, 3, 15},
		{[]int{5, 5, 5}, []netip.AddrPort{a, a, b}, 2, 10},
		{[]int{5, 5, 3, 3}, []netip.AddrPort{a, a, a, a}, 3, 13}, // the last may be smaller, and is the last
		{[]int{5, 6}, []netip.AddrPort{a, a}, 1, 5},
		{[]int{0, 0}, []netip.AddrPort{a, a}, 1, 0},
		{[]int{5, 0, 5}, []netip.AddrPort{a, a, a}, 1, 5},
		{[]int{40000, 30000}, []netip.AddrPort{a, a}, 1, 40000},
		{[]int{32500, 32500}, []netip.AddrPort{a, a}, 2, segmentsSizeMax},
		{[]int{32501, 32500}, []netip.AddrPort{a, a}, 1, 32501},
	} {
		q := &queue{}
		for i, size := range c.sizes {
			q.add(c.addrs[i], make([]byte, size))
		}
		w := &batchWriter{segment: MaxPayload, q: q}
		n, size := w.run(0)
		require.Equal(t, []int{c.n, c.size}, []int{n, size}, "%v", c)
		w.segment = 0
		n, _ = w.run(0)
		require.Equal(t, 1, n, "without the kernel's help")
	}
}

func TestManyAreTriedWhenTheyMayBeThere(t *testing.T) {
	var p pace
	for range 100 {
		p.tookOne(true)
		require.False(t, p.many, "one at a time, each waited for")
	}
	p.tookOne(false)
	require.True(t, p.many, "the next was there already")
	p.took(9)
	require.True(t, p.many)
	tried := 0
	for range 1000 {
		if p.many {
			p.took(1)
			tried++
		} else {
			p.tookOne(false)
		}
	}
	require.Less(t, tried, 50, "always one, and always there")
	require.Greater(t, tried, 10)
}

func TestKernelDropsAreCounted(t *testing.T) {
	const many = 3000
	c, peer := open(t, Config{}), plainSocket(t)
	require.NoError(t, c.uc.SetReadBuffer(16<<10))
	for range many {
		_, err := peer.WriteToUDPAddrPort(make([]byte, 100), c.addr)
		require.NoError(t, err)
	}
	dropped := c.Stats().Dropped
	require.Positive(t, dropped)
	receive(t, c, many-int(dropped))
	require.ErrorIs(t, cancelledRecv(t, c), errGivenUp, "all others are there")
	require.NoError(t, c.Close())
	require.Equal(t, dropped, c.Stats().Dropped, "also when the socket is closed")
}

// TestOneSocketSendsToBothFamilies sends one datagram and many to an IPv6 address and to an IPv4 address, which the
// kernel expects in mapped form.
func TestOneSocketSendsToBothFamilies(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		uc, err := net.ListenUDP("udp", &net.UDPAddr{})
		require.NoError(t, err)
		from := wrap(t, uc, cfg, cfg.plain)
		six, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
		if err != nil || from.v4 {
			t.Skip("no IPv6 here")
		}
		for _, to := range []*Conn{wrap(t, six, cfg, cfg.plain), open(t, cfg)} {
			send(t, from, to, "alone")
			uncork := from.Out.Cork()
			send(t, from, to, "one", "of", "many")
			uncork()
			require.NoError(t, from.Out.Flush(t.Context()))
			require.Equal(t, []string{"alone", "one", "of", "many"}, receive(t, to, 4))
			require.NoError(t, to.Out.Send(t.Context(), chanio.Packet{
				Addr: netip.AddrPortFrom(to.addr.Addr(), from.addr.Port()), Data: []byte("back"),
			}))
			p, err := from.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, to.addr, p.Addr, "an IPv4 address is not mapped")
		}
	})
}

func TestAddressesSurviveTheKernelsForm(t *testing.T) {
	z := &zones{}
	lo, err := net.InterfaceByName("lo")
	require.NoError(t, err)
	for _, s := range []string{"1.2.3.4:5", "[::1]:65535", "[fe80::1%lo]:9", "[2001:db8::1]:80"} {
		ap := netip.MustParseAddrPort(s)
		var a sockaddr
		n := a.put(ap, ap.Addr().Is4(), z)
		require.Equal(t, map[bool]int{true: 16, false: 28}[ap.Addr().Is4()], n)
		require.Equal(t, ap, a.get(z))
		a.put(ap, false, z)
		require.Equal(t, ap, a.get(z), "an IPv4 address is mapped and back")
	}
	require.EqualValues(t, lo.Index, z.indexes.get("lo", zoneIndex))
	require.EqualValues(t, 77, z.indexes.get("77", zoneIndex))
	require.Zero(t, z.indexes.get("no such interface", zoneIndex))
	require.Equal(t, "4711", z.names.get(4711, zoneName))
	for i := range 3 * memoMax {
		z.indexes.get(fmt.Sprint("if", i), zoneIndex)
		z.names.get(uint32(1000+i), zoneName)
	}
	require.LessOrEqual(t, len(z.indexes.known), memoMax)
	require.LessOrEqual(t, len(z.names.known), memoMax)
}

func FuzzSockaddr(f *testing.F) {
	f.Add(make([]byte, 28))
	f.Add(append([]byte{syscall.AF_INET, 0, 0, 80, 127, 0, 0, 1}, make([]byte, 20)...))
	f.Fuzz(func(t *testing.T, p []byte) {
		var a, b sockaddr
		if copy(a[:], p); a[0] != syscall.AF_INET {
			a[24], a[25], a[26], a[27] = 0, 0, 0, 0 // zones are the system's
		}
		z := &zones{}
		ap := a.get(z)
		b.put(ap, ap.Addr().Is4(), z)
		require.Equal(t, ap, b.get(z))
	})
}

// TestARefusedDatagramEndsNothing has the kernel refuse some of many, which are sent in one go.
func TestARefusedDatagramEndsNothing(t *testing.T) {
	from, to := open(t, Config{}), open(t, Config{})
	everybody := netip.MustParseAddrPort("255.255.255.255:9")
	from.setBroadcast(t, 0)
	uncork := from.Out.Cork()
	for i := range 10 {
		send(t, from, to, fmt.Sprint(i))
		if i%3 == 0 {
			require.NoError(t, from.Out.Send(t.Context(), chanio.Packet{Addr: everybody, Data: []byte("?")}))
		}
	}
	uncork()
	err := from.Out.Flush(t.Context())
	require.ErrorIs(t, err, syscall.EACCES)
	require.ErrorContains(t, err, "4 datagrams were lost")
	require.ErrorContains(t, err, "255.255.255.255:9")
	require.True(t, errors.As(err, new(*net.OpError)))
	require.NoError(t, from.Out.Flush(t.Context()), "it is told once")
	require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, receive(t, to, 10))
	require.EqualValues(t, 4, from.Stats().Lost)
	require.EqualValues(t, 10, from.Stats().Sent)

	require.NoError(t, from.Out.Send(t.Context(), chanio.Packet{Addr: everybody}), "alone, it is no different")
	require.ErrorIs(t, from.Out.Close(), syscall.EACCES, "Close tells too")
	require.ErrorIs(t, from.Out.Err(), syscall.EACCES)
}

func (c *Conn) setBroadcast(t *testing.T, on int) {
	raw, err := c.uc.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, setOption(raw, syscall.SOL_SOCKET, syscall.SO_BROADCAST, on))
}

func TestASegmentSizeNeedsNoPaddingBehindIt(t *testing.T) {
	var c ancillary
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&c))
	h.Level, h.Type = solUDP, udpGRO
	binary.NativeEndian.PutUint32(c[syscall.CmsgLen(0):], 1200)
	require.Equal(t, 1200, c.segment(syscall.CmsgLen(4)))
	require.Zero(t, c.segment(syscall.CmsgLen(4)-1))
}

func TestOneCallTakesABoundedNumberOfMessages(t *testing.T) {
	c, to := open(t, Config{}), addrPortOf(plainSocket(t).LocalAddr())
	q := &queue{}
	for range 2 * queueSize {
		q.add(to, nil) // empty datagrams are not joined
	}
	n, err := c.out.w.write(q, true)
	require.NoError(t, err)
	require.LessOrEqual(t, n, queueSize)
	require.Positive(t, n)
}
