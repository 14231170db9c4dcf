package chaniotest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// memory is a socket of datagrams in memory, which is good for a bubble.
type memory struct {
	name string
	in   chan memoryPacket
	over chan struct{}
	once sync.Once
	peer *memory // of one that was dialled
}

type memoryPacket struct {
	from *memory
	p    []byte
}

func newMemory(name string) *memory {
	return &memory{name: name, in: make(chan memoryPacket, 1<<12), over: make(chan struct{})}
}

func (m *memory) Network() string { return "memory" }
func (m *memory) String() string  { return m.name }

func (m *memory) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case d := <-m.in:
		return copy(p, d.p), d.from, nil
	case <-m.over:
		return 0, nil, net.ErrClosed
	}
}

func (m *memory) WriteTo(p []byte, to net.Addr) (int, error) {
	to.(*memory).in <- memoryPacket{m, bytes.Clone(p)}
	return len(p), nil
}

func (m *memory) Read(p []byte) (n int, err error) {
	n, _, err = m.ReadFrom(p)
	return n, err
}

func (m *memory) Write(p []byte) (int, error) { return m.WriteTo(p, m.peer) }

func (m *memory) Close() error {
	m.once.Do(func() { close(m.over) })
	return nil
}

func (m *memory) LocalAddr() net.Addr              { return m }
func (m *memory) RemoteAddr() net.Addr             { return m.peer }
func (m *memory) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (m *memory) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (m *memory) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// relayedMemory returns a relay between a client and a server in memory.
func relayedMemory(t testing.TB, seed uint64) (r *chaniotest.PacketRelay, client, server *memory) {
	front, server := newMemory("front"), newMemory("server")
	r = chaniotest.StartPacketRelay(t, front, func() (net.Conn, error) {
		far := newMemory("far")
		far.peer = server
		return far, nil
	}, seed)
	client = newMemory("client")
	client.peer = front
	return r, client, server
}

// numbered sends the numbers from 0 to n-1, and returns those that arrive in the time given.
func numbered(t *testing.T, client, server *memory, n int, wait time.Duration) (got []int) {
	for i := range n {
		_, err := client.Write(binary.BigEndian.AppendUint32(nil, uint32(i)))
		require.NoError(t, err)
	}
	time.Sleep(wait)
	synctest.Wait()
	for len(server.in) > 0 {
		got = append(got, int(binary.BigEndian.Uint32((<-server.in).p)))
	}
	return got
}

func TestPacketRelayIsTransparentAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayedMemory(t, 1)
		got := numbered(t, client, server, 100, 0)
		require.Len(t, got, 100)
		require.True(t, slices.IsSorted(got))
		there, back := r.Counts()
		require.Equal(t, chaniotest.PacketCounts{Came: 100, Passed: 100}, there)
		require.Zero(t, back)
	})
}

func TestPacketRelayDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayedMemory(t, 1)
		r.SetEach(chaniotest.PacketFaults{Latency: 300 * time.Millisecond}, chaniotest.PacketFaults{})
		start := time.Now()
		_, err := client.Write([]byte("ping"))
		require.NoError(t, err)
		d := <-server.in
		require.Equal(t, 300*time.Millisecond, time.Since(start))
		_, err = server.WriteTo([]byte("pong"), d.from)
		require.NoError(t, err)
		require.Equal(t, "pong", string((<-client.in).p))
		require.Equal(t, 300*time.Millisecond, time.Since(start), "the way back has its own faults")
	})
}

func TestPacketRelayLimitsBandwidthAndDropsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayedMemory(t, 1)
		r.Set(chaniotest.PacketFaults{Bandwidth: 1000, Queue: 10})
		start := time.Now()
		for range 30 {
			_, err := client.Write(make([]byte, 100))
			require.NoError(t, err)
		}
		for i := range 10 {
			<-server.in
			require.Equal(t, time.Duration(i+1)*100*time.Millisecond, time.Since(start))
		}
		time.Sleep(time.Minute)
		require.Empty(t, server.in)
		there, _ := r.Counts()
		require.Equal(t, chaniotest.PacketCounts{Came: 30, Passed: 10, Lost: 20}, there)
	})
}

// TestPacketRelayRepeatsItself has everything go wrong now and then, the same for the same seed.
func TestPacketRelayRepeatsItself(t *testing.T) {
	runs := map[uint64][][]int{}
	for _, seed := range []uint64{7, 7, 8} {
		synctest.Test(t, func(t *testing.T) {
			r, client, server := relayedMemory(t, seed)
			r.Set(chaniotest.PacketFaults{
				Latency: 10 * time.Millisecond, Jitter: 10 * time.Millisecond,
				Loss: 0.1, Duplicate: 0.1, Reorder: 0.1, Corrupt: 0.05,
			})
			got := numbered(t, client, server, 1000, time.Second)
			runs[seed] = append(runs[seed], got)
			there, _ := r.Counts()
			require.Equal(t, 1000, there.Came)
			require.Equal(t, 1000, there.Passed+there.Lost)
			require.Len(t, got, there.Passed+there.Duplicated)
			require.InDelta(t, 100, there.Lost, 40)
			require.InDelta(t, 90, there.Duplicated, 40)
			require.InDelta(t, 90, there.Reordered, 40)
			require.InDelta(t, 45, there.Corrupted, 30)
		})
	}
	require.Equal(t, runs[7][0], runs[7][1])
	require.NotEqual(t, runs[7][0], runs[8][0])
}

func TestPacketRelayReorders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayedMemory(t, 3)
		r.Set(chaniotest.PacketFaults{Reorder: 0.3})
		got := numbered(t, client, server, 50, time.Second)
		require.False(t, slices.IsSorted(got))
		slices.Sort(got)
		require.Len(t, got, 50, "each arrives")
		require.Equal(t, got, slices.Compact(got), "once")

		r.Set(chaniotest.PacketFaults{Reorder: 1})
		start := time.Now()
		_, err := client.Write([]byte("alone"))
		require.NoError(t, err)
		<-server.in
		require.Equal(t, 20*time.Millisecond, time.Since(start), "nothing came that could have overtaken it")
	})
}

func TestPacketRelayCorruptsOneBit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayedMemory(t, 5)
		r.Set(chaniotest.PacketFaults{Corrupt: 1})
		for range 20 {
			_, err := client.Write(make([]byte, 100))
			require.NoError(t, err)
			flipped := 0
			for _, b := range (<-server.in).p {
				for ; b != 0; b &= b - 1 {
					flipped++
				}
			}
			require.Equal(t, 1, flipped)
		}
		_, err := client.Write(nil)
		require.NoError(t, err)
		require.Empty(t, (<-server.in).p, "there is nothing to corrupt")
	})
}

func TestPacketRelayHoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayedMemory(t, 5)
		r.Set(chaniotest.PacketFaults{Hole: true})
		require.Empty(t, numbered(t, client, server, 10, time.Hour))
		r.Set(chaniotest.PacketFaults{MaxSize: 1400})
		for _, size := range []int{1401, 1400} {
			_, err := client.Write(make([]byte, size))
			require.NoError(t, err)
		}
		require.Len(t, (<-server.in).p, 1400)
		there, _ := r.Counts()
		require.Equal(t, chaniotest.PacketCounts{Came: 12, Passed: 1, Lost: 11}, there)
	})
}

func TestPacketRelayWantsChances(t *testing.T) {
	r, _, _ := relayedMemory(t, 1)
	require.PanicsWithValue(t, "chaniotest: Loss must be from 0 to 1, got 2", func() {
		r.Set(chaniotest.PacketFaults{Loss: 2})
	})
}

// relayedUDP returns sockets that talk through a relay.
func relayedUDP(t *testing.T, seed uint64, n int) (
	r *chaniotest.PacketRelay, server *chanio.PacketConn, all []*chanio.PacketConn,
) {
	server, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	r = chaniotest.NewPacketRelay(t, net.UDPAddrFromAddrPort(server.LocalAddr()), seed)
	for range n {
		c, err := clients.DialUDP(t.Context(), r.Addr().String(), nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		all = append(all, c)
	}
	return r, server, all
}

// TestUDPSurvivesABadNetwork has clients ask until they are answered, each one thing after the other, over a network
// that does all that a network may.
func TestUDPSurvivesABadNetwork(t *testing.T) {
	const many, each = 4, 50
	r, server, all := relayedUDP(t, 11, many)
	bad := chaniotest.PacketFaults{
		Latency: 100 * time.Microsecond, Jitter: 300 * time.Microsecond,
		Loss: 0.1, Duplicate: 0.1, Reorder: 0.1,
	}
	r.Set(bad)
	ctx, cancel := context.WithCancel(t.Context())
	echo := future.Go(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, pipeline.Connect(ctx, server.In, server.Out)
	})
	var asking []*future.Future[int]
	for i, c := range all {
		asking = append(asking, future.Go(t.Context(), func(ctx context.Context) (tries int, err error) {
			for n := range each {
				more, err := askUntilAnswered(ctx, c, fmt.Sprintf("%d/%d", i, n))
				if err != nil {
					return 0, err
				}
				tries += more
			}
			return tries, nil
		}))
	}
	tries := 0
	for _, f := range asking {
		n, err := f.Await(t.Context())
		require.NoError(t, err)
		tries += n
	}
	cancel()
	_, err := echo.Await(t.Context())
	require.ErrorIs(t, err, context.Canceled)
	require.Greater(t, tries, many*each, "some had to be sent again")
	there, back := r.Counts()
	for _, c := range []chaniotest.PacketCounts{there, back} {
		require.Positive(t, c.Lost)
		require.Positive(t, c.Duplicated)
		require.Positive(t, c.Reordered)
	}
	require.NoError(t, server.Out.Err(), "nothing ended")
	require.NoError(t, server.Out.Flush(t.Context()))
}

// askUntilAnswered sends a question until its answer comes, and returns how often. Late answers to others are skipped.
func askUntilAnswered(ctx context.Context, c *chanio.PacketConn, question string) (tries int, err error) {
	for tries = 1; ; tries++ {
		if err := c.Out.Send(ctx, chanio.Packet{Data: []byte(question)}); err != nil {
			return tries, err
		}
		patience, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		for err == nil {
			var p chanio.Packet
			if p, err = c.In.Recv(patience); err == nil && string(p.Data) == question {
				cancel()
				return tries, nil
			}
		}
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return tries, err
		}
		err = nil
	}
}

// TestCodecsTellCorruptPackets sends values with a checksum. What a codec refuses is told and skipped, all else is
// right.
func TestCodecsTellCorruptPackets(t *testing.T) {
	const many = 200
	r, server, all := relayedUDP(t, 13, 1)
	r.Set(chaniotest.PacketFaults{Corrupt: 0.3, Bandwidth: 1 << 20})
	values := codec.CRC32(codec.Uint64)
	refused := 0
	far := codec.Packets(&server.Duplex, values, func(_ chanio.Packet, err error) {
		require.ErrorIs(t, err, codec.ErrMismatch)
		refused++
	})
	near := codec.Packets(&all[0].Duplex, values, nil)
	for i := range uint64(many) {
		require.NoError(t, near.Out.Send(t.Context(), codec.Message[uint64]{Value: i}))
	}
	require.NoError(t, near.Out.Flush(t.Context()))
	for there, _ := r.Counts(); there.Came < many; there, _ = r.Counts() {
		runtime.Gosched()
	}
	r.Set(chaniotest.PacketFaults{})
	const last = 1 << 40
	require.NoError(t, near.Out.Send(t.Context(), codec.Message[uint64]{Value: last}))
	var got []uint64
	for m := range far.In.All(t.Context()) {
		if m.Value == last {
			break
		}
		got = append(got, m.Value)
	}
	there, _ := r.Counts()
	require.Positive(t, refused)
	require.Equal(t, there.Corrupted, refused)
	require.Len(t, got, many-refused)
	require.True(t, slices.IsSorted(got))
	require.Less(t, got[len(got)-1], uint64(many), "nothing but what was sent")
}
