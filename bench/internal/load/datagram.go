package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	maxDatagram   = 65507       // bytes
	datagramBatch = 64          // the most that one system call sends or receives
	flights       = 1 << 14     // the table of an open loop
	lossTimeout   = time.Second // after which a datagram counts as lost, unless the Spec has another value
)

// flight is a request that may still be answered.
type flight struct {
	number uint64
	begun  int64
	state  flightState
}

type flightState uint8

const (
	landed flightState = iota
	aloft
	lost
)

// socket is one UDP socket, connected to the target. Replies may arrive in any order and may be missing. A duplicate
// reply, or one to no request, is a fault of the target.
type socket struct {
	run  *run
	id   int
	part *part
	conn *net.UDPConn
	many *ipv4.PacketConn
	msgs *messages
	out  []ipv4.Message
	in   []ipv4.Message

	mu     sync.Mutex
	table  []flight // by number
	oldest uint64   // all earlier ones are answered or lost

	replies atomic.Uint64
	lost    atomic.Uint64
}

func (r *run) openSockets(ctx context.Context) error {
	r.sockets = make([]socket, r.spec.Conns)
	for i := range r.sockets {
		conn, err := r.endpoint.dial(ctx, r.spec)
		if err != nil {
			return err
		}
		r.sockets[i].init(r, i, conn.(*net.UDPConn))
	}
	return nil
}

func (s *socket) init(r *run, id int, conn *net.UDPConn) {
	s.run, s.id, s.conn, s.many = r, id, conn, ipv4.NewPacketConn(conn)
	s.msgs = newMessages(r.spec, id)
	size := 4 * r.spec.Window
	if r.spec.Rate > 0 {
		size = flights
	}
	s.table = make([]flight, max(256, size))
	n := min(datagramBatch, max(r.spec.Window, int(min(r.spec.Rate, datagramBatch))))
	s.out, s.in = make([]ipv4.Message, n), make([]ipv4.Message, n)
	for i := range n {
		s.out[i].Buffers = [][]byte{s.msgs.fill(r.spec, id)}
		s.in[i].Buffers = [][]byte{make([]byte, s.msgs.size+1)} // one more, to notice a longer one
	}
	_ = conn.SetReadBuffer(1 << 20) // the system may set less
}

func (s *socket) shut() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

func (s *socket) work() error {
	err := s.exchange()
	if err != nil {
		return fmt.Errorf("load: socket %d of %d: %w", s.id+1, s.run.spec.Conns, err)
	}
	return nil
}

func (s *socket) exchange() error {
	if s.part == nil {
		return s.converse()
	}
	sent := make(chan struct{})
	return firstOf(s.shut, func() error {
		defer close(sent)
		for range s.part.wake {
			if err := s.send(int(s.part.due.Swap(0))); err != nil {
				return err
			}
		}
		return nil
	}, func() error { return s.listen(sent) })
}

// converse keeps a window of requests in flight.
func (s *socket) converse() error {
	for n := s.run.spec.Window; ; {
		if !s.run.stop.Load() {
			if err := s.send(n); err != nil {
				return err
			}
		}
		var err error
		if n, err = s.receive(); err != nil {
			return err
		}
		if s.run.stop.Load() && s.settled() {
			return nil
		}
	}
}

// listen receives until all requests are answered or lost.
func (s *socket) listen(sent <-chan struct{}) error {
	for {
		if _, err := s.receive(); err != nil {
			return err
		}
		select {
		case <-sent:
			if s.settled() {
				return nil
			}
		default:
		}
	}
}

// send sends n requests.
func (s *socket) send(n int) error {
	for n > 0 {
		batch := s.out[:min(n, len(s.out))]
		s.depart(batch)
		n -= len(batch)
		if err := writeAll(s.many, batch); err != nil {
			return err
		}
	}
	return nil
}

// depart numbers requests and puts them into the table. A request that still has its slot there is so old that it
// counts as lost.
func (s *socket) depart(batch []ipv4.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.run.now()
	for i := range batch {
		f := &s.table[s.msgs.sent%uint64(len(s.table))]
		if f.state == aloft {
			s.lost.Add(1)
		}
		*f = flight{s.msgs.sent, now, aloft}
		if s.part != nil {
			f.begun = s.part.begins(s.msgs.sent)
		}
		s.msgs.put(batch[i].Buffers[0], s.msgs.sent)
		s.msgs.sent++
	}
	if s.part != nil {
		s.noteLag(now - s.table[(s.msgs.sent-uint64(len(batch)))%uint64(len(s.table))].begun)
	}
}

func (s *socket) noteLag(lag int64) {
	if s.run.counting.Load() {
		shard := s.run.rec.shard(s.id)
		shard.request(lag)
		shard.mu.Unlock()
	}
}

// tick is how often a socket checks for lost requests and for the end while nothing arrives.
const tick = 10 * time.Millisecond

// receive receives the datagrams that have arrived, and returns how many requests are now answered or lost.
func (s *socket) receive() (int, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(tick)); err != nil {
		return 0, err
	}
	n, err := s.many.ReadBatch(s.in, 0)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		n, err = 0, nil
	}
	if err != nil {
		return 0, err
	}
	return s.land(s.in[:n])
}

// land checks replies.
func (s *socket) land(batch []ipv4.Message) (n int, err error) {
	now := s.run.now()
	s.mu.Lock() // before the shard, as in depart
	defer s.mu.Unlock()
	shard := s.run.rec.shard(s.id)
	defer shard.mu.Unlock()
	for i := range batch {
		fresh, err := s.landOne(batch[i].Buffers[0][:batch[i].N], now, shard)
		if err != nil {
			return n, fmt.Errorf("reply %d: %w", s.replies.Load(), err)
		}
		if fresh {
			n++
		}
	}
	return n + s.expire(now), nil
}

// landOne checks one reply and reports whether its request was waiting.
func (s *socket) landOne(p []byte, now int64, shard *shard) (bool, error) {
	if len(p) != s.msgs.size {
		return false, errors.New("it has not the request's length")
	}
	if err := s.msgs.checkBytes(p); err != nil {
		return false, err
	}
	number, err := s.msgs.take(p)
	if err != nil {
		return false, err
	}
	f := &s.table[number%uint64(len(s.table))]
	switch {
	case number >= s.msgs.sent:
		return false, numbered(number, nil)
	case f.number != number || f.state == lost:
		return false, nil // its request was given up
	case f.state == landed:
		return false, fmt.Errorf("request %d is answered twice", number)
	}
	f.state = landed
	s.replies.Add(1)
	if s.run.counting.Load() && (s.part == nil || f.begun >= s.run.from.Load()) {
		s.run.rec.reply(shard, now-f.begun)
	}
	return true, nil
}

// expire gives up requests that have been unanswered for too long.
func (s *socket) expire(now int64) (n int) {
	patience := int64(cmp.Or(s.run.spec.Timeout, lossTimeout))
	s.oldest = max(s.oldest, s.msgs.sent-min(s.msgs.sent, uint64(len(s.table))))
	for ; s.oldest < s.msgs.sent; s.oldest++ {
		f := &s.table[s.oldest%uint64(len(s.table))]
		if f.state != aloft {
			continue
		}
		if now-f.begun < patience {
			break
		}
		f.state = lost
		s.lost.Add(1)
		n++
	}
	return n
}

// lossError returns an error if more datagrams were lost than the Spec allows.
func (r *run) lossError() error {
	lost, total := r.lost(), r.replies()
	if all := lost + total; all == 0 || float64(lost) <= r.spec.Loss*float64(all) {
		return nil
	}
	return fmt.Errorf("load: %d of %d datagrams were %w", lost, lost+total, errUnanswered)
}

// settled reports whether no request is unanswered.
func (s *socket) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oldest == s.msgs.sent
}
