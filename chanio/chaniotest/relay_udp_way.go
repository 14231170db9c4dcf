package chaniotest

import (
	"bytes"
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"
)

// packetWay holds the datagrams in transit from a client to the server, or back.
type packetWay struct {
	r       *PacketRelay
	way     int
	deliver func(p []byte)
	over    <-chan struct{}
	wake    chan struct{} // holds a value when there is a new first datagram

	mu     sync.Mutex
	rng    *rand.Rand
	flight flight
	seq    int
	free   time.Time   // when the wire is free
	late   *datagramAt // waits until the next one overtakes it
}

func newPacketWay(r *PacketRelay, way int, line uint64, over <-chan struct{}, deliver func(p []byte)) *packetWay {
	return &packetWay{
		r: r, way: way, deliver: deliver, over: over, wake: make(chan struct{}, 1),
		rng: rand.New(rand.NewPCG(r.seed, 2*line+uint64(way))),
	}
}

// fate is the random decision about a datagram. It always draws the same number of values, so that the fate of the next
// datagram does not depend on it.
type fate struct {
	loss, duplicate, reorder, corrupt, jitter float64
	bit                                       uint64
}

func (w *packetWay) draw() fate {
	return fate{
		loss: w.rng.Float64(), duplicate: w.rng.Float64(), reorder: w.rng.Float64(), corrupt: w.rng.Float64(),
		jitter: w.rng.Float64(), bit: w.rng.Uint64(),
	}
}

const (
	flightDefault = 1024
	overtaking    = 20 * time.Millisecond // how long a datagram waits to be overtaken
)

// take decides what happens to p, which it does not keep.
func (w *packetWay) take(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.r.note(w.way, func(c *PacketCounts) { c.Came++ })
	fate := w.draw()
	room := f.Queue
	if room <= 0 {
		room = flightDefault
	}
	if f.Hole || fate.loss < f.Loss || f.MaxSize > 0 && len(p) > f.MaxSize || len(w.flight) >= room {
		w.r.note(w.way, func(c *PacketCounts) { c.Lost++ })
		return
	}
	w.r.note(w.way, func(c *PacketCounts) {
		c.Duplicated += one(fate.duplicate < f.Duplicate)
		c.Reordered += one(fate.reorder < f.Reorder)
		c.Corrupted += one(fate.corrupt < f.Corrupt && len(p) > 0)
	})
	p = bytes.Clone(p)
	if fate.corrupt < f.Corrupt && len(p) > 0 {
		bit := fate.bit % uint64(8*len(p))
		p[bit/8] ^= 1 << (bit % 8)
	}
	w.send(p, f, fate)
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// send schedules p.
func (w *packetWay) send(p []byte, f PacketFaults, fate fate) {
	now := time.Now()
	if w.free.Before(now) {
		w.free = now
	}
	if f.Bandwidth > 0 {
		w.free = w.free.Add(time.Duration(len(p)) * time.Second / time.Duration(f.Bandwidth))
	}
	due := w.free.Add(f.Latency + time.Duration(fate.jitter*float64(f.Jitter)))
	before := w.late
	w.late = nil
	d := w.push(p, due, fate.duplicate < f.Duplicate)
	if before != nil && before.index >= 0 {
		w.overtaken(before, due)
	}
	if fate.reorder < f.Reorder {
		w.late = d
		d.due = due.Add(overtaking)
		heap.Fix(&w.flight, d.index)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *packetWay) push(p []byte, due time.Time, double bool) *datagramAt {
	w.seq++
	d := &datagramAt{p: p, due: due, seq: w.seq, double: double}
	heap.Push(&w.flight, d)
	return d
}

// overtaken schedules d after the next datagram due then.
func (w *packetWay) overtaken(d *datagramAt, then time.Time) {
	d.due = d.due.Add(-overtaking)
	if d.due.Before(then) {
		d.due = then
	}
	w.seq++
	d.seq = w.seq
	heap.Fix(&w.flight, d.index)
}

// run delivers each datagram when it is due.
func (w *packetWay) run() {
	for {
		d, wait := w.next()
		if d != nil {
			w.pass(d)
			continue
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-due:
		case <-w.wake:
		case <-w.over:
			return
		}
	}
}

// next returns the datagram that is due, or how long until one is: 0 if there is none.
func (w *packetWay) next() (d *datagramAt, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.flight) == 0 || isOver(w.over) {
		return nil, 0
	}
	if wait = time.Until(w.flight[0].due); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&w.flight).(*datagramAt), 0
}

func (w *packetWay) pass(d *datagramAt) {
	w.deliver(d.p)
	if d.double {
		w.deliver(d.p)
	}
	w.r.note(w.way, func(c *PacketCounts) { c.Passed++ })
}

// datagramAt is a datagram in transit.
type datagramAt struct {
	p      []byte
	due    time.Time
	seq    int  // order among datagrams due at the same time
	double bool // forwarded twice
	index  int  // in the flight; -1 after removal
}

// flight is a heap of datagrams, ordered by the time they are due.
type flight []*datagramAt

func (t flight) Len() int { return len(t) }

func (t flight) Less(i, j int) bool {
	if !t[i].due.Equal(t[j].due) {
		return t[i].due.Before(t[j].due)
	}
	return t[i].seq < t[j].seq
}

func (t flight) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

func (t *flight) Push(d any) {
	d.(*datagramAt).index = len(*t)
	*t = append(*t, d.(*datagramAt))
}

func (t *flight) Pop() any {
	last := len(*t) - 1
	d := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	d.index = -1
	return d
}
