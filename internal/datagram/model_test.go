package datagram

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// TestRandomDatagramsArriveAsSent has several senders share a socket, connected or not: they send one by one, many at a
// time or without waiting, in runs of equal and of random sizes, with empty datagrams in between. Some are cut at the
// receiver. It gets those of each sender in order and once.
func TestRandomDatagramsArriveAsSent(t *testing.T) {
	for range 6 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runDatagrams(t, seed) })
	}
}

const (
	modelSenders = 3
	modelCount   = 400 // datagrams of each sender, and as many empty ones in between as modelEmpty says
	modelEmpty   = 50
	modelFlight  = 32 << 10 // bytes of each sender that are under way, which no socket's buffer drops
)

func runDatagrams(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	cfg := Config{NoOffload: rnd.IntN(3) == 0, plain: rnd.IntN(5) == 0, KeepTruncated: true}
	if rnd.IntN(2) == 0 {
		cfg.MaxDatagram = 9 + rnd.IntN(3000)
	}
	connected := rnd.IntN(2) == 0
	to := open(t, cfg)
	from := open(t, Config{NoOffload: rnd.IntN(3) == 0, plain: rnd.IntN(5) == 0})
	if connected {
		uc, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to.addr))
		require.NoError(t, err)
		from = New(uc, Config{})
		t.Cleanup(func() { from.Out.Abort(nil) })
	}
	limit := cfg.MaxDatagram
	if limit == 0 {
		limit = MaxPayload
	}
	arrived := make([]chan int, modelSenders) // sizes, as sent
	for i := range arrived {
		arrived[i] = make(chan int, modelCount)
	}
	var work sync.WaitGroup
	for i := range modelSenders {
		rnd := rand.New(rand.NewPCG(seed, uint64(i+1)))
		work.Go(func() { sendRandom(t, rnd, from, to.addr, connected, byte(i), arrived[i]) })
	}
	next := make([]uint32, modelSenders)
	empty := 0
	for range modelSenders * (modelCount + modelEmpty) {
		p := receiveModel(t, to)
		require.LessOrEqual(t, len(p.Data), limit)
		if len(p.Data) == 0 {
			empty++
			continue
		}
		who, number, size := p.Data[0], binary.BigEndian.Uint32(p.Data[1:]), int(binary.BigEndian.Uint32(p.Data[5:]))
		require.GreaterOrEqual(t, number, next[who], "twice, or out of order")
		next[who] = number + 1
		require.True(t, bytes.Equal(modelDatagram(who, number, size)[:min(size, limit)], p.Data), "%d of %d", number, who)
		arrived[who] <- size
	}
	work.Wait()
	require.Equal(t, modelSenders*modelEmpty, empty)
	require.NoError(t, from.Out.Flush(t.Context()))
	require.EqualValues(t, modelSenders*(modelCount+modelEmpty), from.Stats().Sent)
	require.Zero(t, from.Stats().Lost)
	require.EqualValues(t, modelSenders*(modelCount+modelEmpty), to.Stats().Received)
}

func modelDatagram(who byte, number uint32, size int) []byte {
	p := make([]byte, size)
	p[0] = who
	binary.BigEndian.PutUint32(p[1:], number)
	binary.BigEndian.PutUint32(p[5:], uint32(size))
	for j := range p[9:] {
		p[9+j] = byte(int(who) + int(number) + j)
	}
	return p
}

func receiveModel(t *testing.T, c *Conn) chanio.Packet {
	select {
	case p, ok := <-c.In.C(t.Context()):
		require.True(t, ok)
		return p
	case <-time.After(30 * time.Second):
		require.FailNow(t, "a datagram is missing", "%v %+v", c, c.Stats())
	}
	panic("not reached")
}

func sendRandom(
	t *testing.T, rnd *rand.Rand, from *Conn, to netip.AddrPort, connected bool, who byte, arrived <-chan int,
) {
	if connected {
		to = netip.AddrPort{}
	}
	flying, size := 0, 9
	var ps []chanio.Packet
	send := func() {
		for sent := 0; sent < len(ps); {
			n := 1
			var err error
			switch rnd.IntN(3) {
			case 0:
				n, err = from.Out.SendAll(t.Context(), ps[sent:]...)
			case 1:
				err = from.Out.Send(t.Context(), ps[sent])
			case 2:
				var ok bool
				if ok, err = from.Out.TrySend(ps[sent]); !ok {
					n = 0
				}
			}
			if err != nil {
				t.Error(err)
				return
			}
			sent += n
		}
		ps = ps[:0]
	}
	for number := range uint32(modelCount) {
		switch rnd.IntN(6) {
		case 0:
			size = 9 + rnd.IntN(30)
		case 1:
			size = 9 + rnd.IntN(2000)
		case 2:
			size = 9 + rnd.IntN(modelFlight/4) // some systems send no larger ones
		}
		for flying > 0 && flying+size > modelFlight {
			if len(ps) > 0 {
				send()
			}
			flying -= <-arrived
		}
		flying += size
		p := modelDatagram(who, number, size)
		if number%(modelCount/modelEmpty) == 0 {
			ps = append(ps, chanio.Packet{Addr: to})
		}
		if ps = append(ps, chanio.Packet{Addr: to, Data: p}); rnd.IntN(8) == 0 {
			send()
		}
	}
	send()
}
