package datagram

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"golang.org/x/net/ipv4"
)

var errGivenUp = errors.New("given up")

// cancelledRecv cancels a blocked Recv and returns its error. The test fails if Recv returns a datagram.
func cancelledRecv(t *testing.T, c *Conn) error {
	r := &entered{reader: c.in.r, began: make(chan struct{}, 1)}
	c.in.r = r
	defer func() { c.in.r = r.reader }()
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error, 1)
	go func() {
		p, err := c.In.Recv(ctx)
		if err == nil {
			err = errors.New("received " + string(p.Data))
		}
		result <- err
	}()
	<-r.began
	cancel(errGivenUp)
	err := <-result
	if _, ok := r.reader.(*plain); !ok { // which cannot look without waiting
		if p, err := r.reader.read(false); err != errEmpty && !isReport(err) {
			t.Errorf("there was something: %v, %v", p, err)
		}
	}
	return err
}

// entered is a reader that reports when a read starts.
type entered struct {
	reader[chanio.Packet]
	began chan struct{}
}

func (r *entered) read(wait bool) ([]chanio.Packet, error) {
	signal(r.began)
	return r.reader.read(wait)
}

func TestTruncationIsNoticed(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		for _, keep := range []bool{false, true} {
			cfg.MaxDatagram, cfg.KeepTruncated = 10, keep
			c, peer := open(t, cfg), plainSocket(t)
			for _, s := range []string{"0123456789", "0123456789a", strings.Repeat("x", 1000), "short", ""} {
				_, err := peer.WriteToUDPAddrPort([]byte(s), c.addr)
				require.NoError(t, err)
			}
			want := []string{"0123456789", "short", ""}
			if keep {
				want = []string{"0123456789", "0123456789", "xxxxxxxxxx", "short", ""}
			}
			require.Equal(t, want, receive(t, c, len(want)))
			require.EqualValues(t, 2, c.Stats().Truncated)
			require.EqualValues(t, 5, c.Stats().Received)
		}
	})
}

func TestLargeDatagramsCrossWhole(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		from, to := open(t, cfg), open(t, cfg)
		big := strings.Repeat("0123456789abcdef", 4096)[:maxPayloadV4]
		send(t, from, to, "before", big, big[1:], "after")
		require.Equal(t, []string{"before", big, big[1:], "after"}, receive(t, to, 4))
		err := from.Out.Send(t.Context(), chanio.Packet{Addr: to.addr, Data: make([]byte, maxPayloadV4+1)})
		require.ErrorIs(t, err, syscall.EMSGSIZE)
		require.ErrorContains(t, err, "the limit is 65507")
		require.NoError(t, from.Out.Flush(t.Context()))
	})
}

// TestAnUnreachablePeerEndsNothing sends to a port where nothing listens.
func TestAnUnreachablePeerEndsNothing(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		a, b := connected(t, cfg, cfg.plain)
		addr := b.uc.LocalAddr().(*net.UDPAddr)
		b.Out.Abort(nil)
		for range 4 {
			require.NoError(t, a.Out.Send(t.Context(), chanio.Packet{Data: []byte("x")}))
		}
		require.ErrorIs(t, a.Out.Flush(t.Context()), syscall.ECONNREFUSED)
		require.ErrorIs(t, cancelledRecv(t, a), errGivenUp, "Recv waits on")
		_ = a.Out.Flush(t.Context()) // what Recv met
		require.Positive(t, a.Stats().Lost)

		again, err := net.DialUDP("udp4", addr, a.uc.LocalAddr().(*net.UDPAddr))
		require.NoError(t, err)
		defer again.Close()
		require.NoError(t, a.Out.Send(t.Context(), chanio.Packet{Data: []byte("back")}))
		var buf [10]byte
		n, err := again.Read(buf[:])
		require.NoError(t, err)
		require.Equal(t, "back", string(buf[:n]), "the peer is back, and so is the conversation")
		_ = a.Out.Flush(t.Context()) // a report may have been under way
		require.NoError(t, a.Out.Flush(t.Context()))
	})
}

func TestOutClosesAndInGoesOn(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		c, peer := open(t, cfg), open(t, cfg)
		c.Out.Cork()
		send(t, c, peer, "last")
		require.ErrorIs(t, c.Out.Close(), errors.ErrUnsupported)
		require.NoError(t, c.Out.Err())
		require.Equal(t, []string{"last"}, receive(t, peer, 1), "Close drains what was held")
		require.Equal(t, "receiving only", c.state())
		send(t, peer, c, "still here?")
		require.Equal(t, []string{"still here?"}, receive(t, c, 1))
		require.NoError(t, c.Close())
		<-c.Done()
		require.Equal(t, "closed", c.state())
		require.Equal(t, c.addr, addrPortOf(c.uc.LocalAddr()))
	})
}

func TestG5AbortDiscardsWhatIsHeld(t *testing.T) {
	c, peer := open(t, Config{Coalesce: 1 << 40}), open(t, Config{})
	c.Out.Cork()
	send(t, c, peer, "never")
	why := errors.New("why")
	c.Out.Abort(why)
	_, err := c.In.Recv(t.Context())
	require.ErrorIs(t, err, why, "Abort ends both halves")
	<-c.Done()
	require.ErrorIs(t, c.Out.Flush(t.Context()), why)
	require.ErrorIs(t, cancelledRecv(t, peer), errGivenUp)
	require.Zero(t, c.Stats().Sent)
	require.Zero(t, c.Out.Describe().Queued)
}

func TestEndInLetsWhatArrivedThrough(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		c, peer := open(t, cfg), open(t, cfg)
		send(t, peer, c, "1", "2", "3")
		why := errors.New("shutting down")
		c.in.drain(why)
		require.Equal(t, []string{"1", "2", "3"}, receive(t, c, 3))
		_, err := c.In.Recv(t.Context())
		require.ErrorIs(t, err, why)
		require.NoError(t, c.Out.Flush(t.Context()), "Out lives")
		require.NoError(t, c.Close())
	})
}

func TestG12PayloadsAreTheReceivers(t *testing.T) {
	var a arena
	for _, size := range []int{0, 1, smallMax, smallMax + 1, mediumMax, mediumMax + 1, MaxPayload} {
		p := []byte(strings.Repeat("a", size))
		one, two := a.clone(p), a.clone(p)
		clear(p)
		require.Equal(t, len(one), cap(one), "there is nothing behind it to write to")
		require.Equal(t, strings.Repeat("a", size), string(one))
		clear(one)
		require.Equal(t, strings.Repeat("a", size), string(two))
		require.NotNil(t, one, "an empty datagram is one too")
	}
	first := unsafe.SliceData(a.clone([]byte("x")))
	require.NotSame(t, first, unsafe.SliceData(a.clone([]byte("x"))))
}

func TestExplainSaysWhatToDo(t *testing.T) {
	unknown := &net.DNSError{Err: "no such host", Name: "nowhere.invalid", IsNotFound: true}
	err := Explain("clients", &net.OpError{Op: "dial", Net: "udp", Err: unknown})
	require.ErrorContains(t, err, "nowhere.invalid")
	require.ErrorContains(t, err, "check the spelling")
	require.True(t, errors.As(err, new(*net.DNSError)))
	err = Explain("servers", &net.OpError{Op: "listen", Net: "udp", Err: syscall.EADDRINUSE})
	require.ErrorContains(t, err, "choose another port")
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

// TestAReportCostsNoOtherDatagram has the kernel tell of a lost datagram when it is given others, which go to a peer
// that is back.
func TestAReportCostsNoOtherDatagram(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		a, b := connected(t, cfg, cfg.plain)
		addr := b.uc.LocalAddr().(*net.UDPAddr)
		b.Out.Abort(nil)
		require.NoError(t, a.Out.Send(t.Context(), chanio.Packet{Data: []byte("lost")}))
		uc, err := net.DialUDP("udp4", addr, a.uc.LocalAddr().(*net.UDPAddr))
		require.NoError(t, err)
		b = New(uc, cfg)
		defer b.Out.Abort(nil)
		uncork := a.Out.Cork()
		want := numbers(10, 40)
		for _, s := range want {
			require.NoError(t, a.Out.Send(t.Context(), chanio.Packet{Data: []byte(s)}))
		}
		uncork()
		require.ErrorIs(t, a.Out.Flush(t.Context()), syscall.ECONNREFUSED)
		require.Equal(t, want, receive(t, b, len(want)))
		require.EqualValues(t, 1, a.Stats().Lost)
	})
}

func TestAnAddressThatIsTakenIsRefused(t *testing.T) {
	taken := plainSocket(t)
	uc, err := Options{}.Listen(taken.LocalAddr().String())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.Nil(t, uc)
}

func TestAGroupIsJoinedOnceAndLeftOnce(t *testing.T) {
	group := netip.MustParseAddr("239.1.2.3")
	ifis, err := net.Interfaces()
	require.NoError(t, err)
	var ifi *net.Interface
	for i := range ifis {
		if ipv4.NewPacketConn(plainSocket(t)).JoinGroup(&ifis[i], &net.UDPAddr{IP: group.AsSlice()}) == nil {
			ifi = &ifis[i]
			break
		}
	}
	if ifi == nil {
		t.Skip("no interface here can join a group")
	}
	c := open(t, Config{})
	require.NoError(t, c.Join(group, ifi))
	var op *net.OpError
	require.ErrorAs(t, c.Join(group, ifi), &op)
	require.Equal(t, "join", op.Op)
	require.NoError(t, c.Leave(group, ifi))
	require.ErrorAs(t, c.Leave(group, ifi), &op)
	require.Equal(t, "leave", op.Op)
}
