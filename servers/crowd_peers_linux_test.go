package servers_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// kind is the behaviour of a peer. It is the first byte of each of its requests.
type kind byte

const (
	healthy   kind = 'h' // sends requests and reads the answers
	slow      kind = 's' // does so byte by byte, one for each answer to another peer
	stalled   kind = 't' // sends half a request and no more
	silent    kind = 'n' // sends nothing
	clogged   kind = 'c' // sends requests and never reads
	flooding  kind = 'f' // sends requests without pause, and reads
	vanishing kind = 'v' // resets in the middle of a request
	last      kind = 'l' // a request of a healthy peer that is answered during the shutdown
)

// census is the number of peers of a process by behaviour.
type census struct{ size int }

func kindOf(i int) kind {
	switch i % 100 {
	case 0, 20, 40, 60, 80:
		return vanishing
	case 1, 21, 41, 61, 81:
		return silent
	case 2, 22, 42, 62, 82:
		return stalled
	case 3, 43:
		return clogged
	case 4, 44, 84:
		return slow
	case 5:
		return flooding
	}
	return healthy
}

func (c census) count(k kind) (n int) {
	for i := range c.size {
		if kindOf(i) == k {
			n++
		}
	}
	return n
}

// TestChildIsACrowd runs many peers of one server. It reports their progress, and continues when told to.
func TestChildIsACrowd(t *testing.T) {
	skipUnlessChild(t)
	var addr string
	var first, size, rounds int
	_, err := fmt.Sscan(os.Getenv("WEIR_TEST_CROWD"), &addr, &first, &size, &rounds)
	require.NoError(t, err)
	told := bufio.NewScanner(os.Stdin)
	await := func(what string) {
		require.True(t, told.Scan())
		require.Equal(t, what, told.Text())
	}
	p := peers{conns: dialCrowd(t, addr, first, size), beat: make(chan struct{}, 1), flooding: make(chan struct{}, size)}
	fmt.Printf("connected %d\n", size)

	await("begin")
	clogs := p.start(clogged, p.clog)
	floods := p.start(flooding, p.flood)
	stalls := p.start(stalled, stall)
	slowly := p.start(slow, p.crawl)
	vanished := p.start(vanishing, vanish)
	require.NoError(t, p.start(healthy, func(i int, nc *net.TCPConn) error { return p.ask(i, nc, rounds) }).Wait())
	require.NoError(t, vanished.Wait())
	fmt.Printf("answered %d\n", p.answered.Load())
	close(p.beat)
	require.NoError(t, slowly.Wait())
	require.NoError(t, stalls.Wait())
	fmt.Printf("slowly %d\n", p.slowly.Load())
	for range (census{size}).count(flooding) {
		<-p.flooding
	}
	fmt.Printf("flooding %d\n", census{size}.count(flooding))

	await("finish")
	require.NoError(t, p.start(healthy, askLast).Wait())
	fmt.Printf("asked %d\n", census{size}.count(healthy))
	require.NoError(t, p.start(healthy, awaitLast).Wait())
	fmt.Printf("finished %d\n", census{size}.count(healthy))
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, nc := range p.conns {
		_ = nc.Close()
	}
	_, _ = clogs.Wait(), floods.Wait()
}

// dialCrowd connects from as many addresses as a few hundred connections each need.
func dialCrowd(t *testing.T, addr string, first, size int) []*net.TCPConn {
	conns := make([]*net.TCPConn, size)
	var dialling errgroup.Group
	dialling.SetLimit(64)
	for i := range conns {
		dialling.Go(func() error {
			n := (first + i) / 100
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}}
			nc, err := d.Dial("tcp", addr)
			if err == nil {
				conns[i] = nc.(*net.TCPConn)
			}
			return err
		})
	}
	require.NoError(t, dialling.Wait())
	return conns
}

// peers are the connections of one process.
type peers struct {
	conns            []*net.TCPConn
	answered, slowly atomic.Int64
	beat             chan struct{} // receives a value for each answer; closed when the slow peers may hurry
	flooding         chan struct{} // receives a value for each flooding peer
}

// start calls f concurrently with each peer of one kind.
func (p *peers) start(k kind, f func(i int, nc *net.TCPConn) error) *errgroup.Group {
	var g errgroup.Group
	for i, nc := range p.conns {
		if kindOf(i) == k {
			g.Go(func() error { return f(i, nc) })
		}
	}
	return &g
}

// request returns a frame of size bytes: the nth of peer i, unlike any other.
func request(k kind, size, i, n int) []byte {
	frame := make([]byte, 4+size)
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(i))
	binary.BigEndian.PutUint64(seed[8:], uint64(n))
	_, _ = rand.NewChaCha8(seed).Read(frame)
	binary.BigEndian.PutUint32(frame, uint32(size))
	frame[4] = byte(k)
	return frame
}

// ask has the conversations of a healthy peer.
func (p *peers) ask(i int, nc *net.TCPConn, rounds int) error {
	for n := range rounds {
		asked := request(healthy, 1+(i*7+n*31)%500, i, n)
		if _, err := nc.Write(asked); err != nil {
			return err
		}
		if err := expect(nc, asked); err != nil {
			return fmt.Errorf("peer %d, request %d: %w", i, n, err)
		}
		p.answered.Add(1)
		select {
		case p.beat <- struct{}{}:
		default:
		}
	}
	return nil
}

// expect reads exactly want.
func expect(r io.Reader, want []byte) error {
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the answer begins with %x, not with %x", got[:min(8, len(got))], want[:min(8, len(want))])
	}
	return nil
}

// crawl has one conversation, a byte at a time.
func (p *peers) crawl(i int, nc *net.TCPConn) error {
	asked := request(slow, 100, i, 0)
	for _, b := range asked {
		<-p.beat
		if _, err := nc.Write([]byte{b}); err != nil {
			return err
		}
	}
	for n := range asked {
		<-p.beat
		if err := expect(nc, asked[n:n+1]); err != nil {
			return fmt.Errorf("slow peer %d: %w", i, err)
		}
	}
	p.slowly.Add(1)
	return nil
}

// clog writes until it blocks, and stays blocked.
func (p *peers) clog(i int, nc *net.TCPConn) error {
	_ = nc.SetReadBuffer(4 << 10) // so that the kernel's memory suffices for all
	_ = nc.SetWriteBuffer(4 << 10)
	return writeOn(nc, request(clogged, 16<<10, i, 0))
}

// flood sends requests without pause, and discards the answers.
func (p *peers) flood(i int, nc *net.TCPConn) error {
	var writing errgroup.Group
	writing.Go(func() error { return writeOn(nc, request(flooding, 8<<10, i, 0)) })
	if _, err := io.ReadFull(nc, make([]byte, 1<<20)); err == nil {
		p.flooding <- struct{}{}
	}
	_, _ = io.Copy(io.Discard, nc)
	return writing.Wait()
}

// writeOn writes frame repeatedly until that fails.
func writeOn(nc net.Conn, frame []byte) error {
	for {
		if _, err := nc.Write(frame); err != nil {
			return err
		}
	}
}

// stall sends half a request.
func stall(i int, nc *net.TCPConn) error {
	_, err := nc.Write(request(stalled, 100, i, 0)[:50])
	return err
}

// vanish ends as if the peer's machine had restarted.
func vanish(i int, nc *net.TCPConn) error {
	if _, err := nc.Write(request(vanishing, 1000, i, 0)[:1+i%900]); err != nil {
		return err
	}
	_ = nc.SetLinger(0)
	return nc.Close()
}

// askLast sends two requests at once, which are answered during the shutdown.
func askLast(i int, nc *net.TCPConn) error {
	_, err := nc.Write(lastOf(i))
	return err
}

func lastOf(i int) []byte { return append(request(last, 100, i, 1), request(last, 200, i, 2)...) }

func awaitLast(i int, nc *net.TCPConn) error {
	if err := expect(nc, lastOf(i)); err != nil {
		return fmt.Errorf("peer %d, in the shutdown: %w", i, err)
	}
	if rest, err := io.ReadAll(nc); len(rest) > 0 || err != nil {
		return fmt.Errorf("peer %d got %d bytes more, then %w", i, len(rest), err)
	}
	return nc.Close()
}
