//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// TestRunsCrossTheKernelAsOneMessage counts messages: a run that was split on its way would be as many as datagrams.
func TestRunsCrossTheKernelAsOneMessage(t *testing.T) {
	for _, off := range []bool{false, true} {
		from, to := open(t, Config{NoOffload: off}), open(t, Config{NoOffload: off})
		r := to.in.r.(*batchReader)
		r.pace.many = true
		var ps []chanio.Packet
		for range queueSize {
			ps = append(ps, chanio.Packet{Addr: to.addr, Data: []byte(strings.Repeat("x", 500))})
		}
		warm := from.Out.Cork()
		send(t, from, to, "a", "bb")
		warm()
		receive(t, to, 2)
		require.NotEqual(t, off, r.joined, "asked for once many have come in one call")

		calls, reads := watch(from), watch(to)
		n, err := from.Out.SendAll(t.Context(), ps...)
		require.NoError(t, err)
		require.Equal(t, queueSize, n)
		receive(t, to, queueSize)
		require.EqualValues(t, 1, calls.writes.Load(), "one call sends all")
		if off {
			require.EqualValues(t, queueSize/readSize, reads.reads.Load(), "a full call for each %d", readSize)
		} else {
			require.EqualValues(t, 1, reads.reads.Load(), "they arrive joined")
		}
		require.EqualValues(t, queueSize+2, to.Stats().Received)
		require.EqualValues(t, queueSize+2, from.Stats().Sent)
		require.EqualValues(t, queueSize*500+3, to.Stats().ReceivedBytes)
	}
}

func TestWhatIsQueuedIsReadTogether(t *testing.T) {
	c, peer := open(t, Config{}), plainSocket(t)
	for range 2 * readSize {
		_, err := peer.WriteToUDPAddrPort([]byte("x"), c.addr)
		require.NoError(t, err)
	}
	receive(t, c, 2*readSize)
	require.EqualValues(t, 3, c.Stats().Reads, "one that finds more behind it, then full ones")
}

func TestLimitedReadsAreNotJoined(t *testing.T) {
	c := open(t, Config{MaxDatagram: 1000})
	r := c.in.r.(*batchReader)
	r.pace.many = true
	uncork := c.Out.Cork()
	send(t, c, c, "1", "2", "3")
	uncork()
	require.Equal(t, []string{"1", "2", "3"}, receive(t, c, 3))
	require.False(t, r.joined, "a joined message would exceed the buffer")
	require.EqualValues(t, 1, c.Stats().Reads)
	require.EqualValues(t, 1, c.Stats().Writes)
}

func TestABlockIsGivenBackWithoutPayloads(t *testing.T) {
	c := open(t, Config{})
	r := c.in.r.(*batchReader)
	r.pace.many = true
	uncork := c.Out.Cork()
	send(t, c, c, "1", "2", "3")
	uncork()
	receive(t, c, 3)
	send(t, c, c, "one in the place of three")
	receive(t, c, 1)
	blk := r.blk
	require.NotNil(t, blk)
	for range 1000 { // a Recv that is cancelled before it waits gives nothing back
		require.ErrorIs(t, cancelledRecv(t, c), errGivenUp)
		if r.blk == nil {
			break
		}
	}
	require.Nil(t, r.blk)
	packets := blk.ready[:cap(blk.ready)]
	require.GreaterOrEqual(t, len(packets), 3)
	for i := range packets {
		require.Nil(t, packets[i].Data, "packet %d of the block", i)
	}
}
