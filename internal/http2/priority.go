package http2

import (
	"maps"
	"slices"
	"strings"

	frames "golang.org/x/net/http2"
)

// priority is a priority of RFC 9218.
type priority struct {
	urgency     uint8 // 0 to 7, the most urgent first
	incremental bool  // pieces of the response are of use before its end
}

const defaultUrgency = 3

// parsePriority parses a Priority field or the payload of a PRIORITY_UPDATE. Unknown parts are ignored.
func parsePriority(value string) priority {
	p := priority{urgency: defaultUrgency}
	for member := range strings.SplitSeq(value, ",") {
		member, _, _ = strings.Cut(strings.Trim(member, " \t"), ";")
		switch key, v, has := strings.Cut(member, "="); {
		case key == "u" && len(v) == 1 && '0' <= v[0] && v[0] <= '7':
			p.urgency = v[0] - '0'
		case key == "i" && (!has || v == "?1"):
			p.incremental = true
		case key == "i" && v == "?0":
			p.incremental = false
		}
	}
	return p
}

// queue holds the streams that have data to send and an open window. Within an urgency, streams that are not
// incremental are served one after the other, in the order of their ids. Incremental streams share the connection. The
// two kinds take turns.
type queue struct {
	levels [8]level
	count  int
}

type level struct {
	whole    []*Stream // not incremental, by id
	shared   []*Stream // incremental, the one that was served least recently first
	sharedOn bool      // it is their turn
}

func (q *queue) add(s *Stream) {
	if s.queued {
		return
	}
	s.queued = true
	q.count++
	l := &q.levels[s.prio.urgency]
	if s.prio.incremental {
		l.shared = append(l.shared, s)
		return
	}
	at := len(l.whole)
	for at > 0 && l.whole[at-1].id > s.id {
		at--
	}
	l.whole = slices.Insert(l.whole, at, s)
}

func (q *queue) remove(s *Stream) {
	if !s.queued {
		return
	}
	s.queued = false
	q.count--
	l := &q.levels[s.prio.urgency]
	list := &l.whole
	if s.prio.incremental {
		list = &l.shared
	}
	if at := slices.Index(*list, s); at >= 0 {
		*list = slices.Delete(*list, at, at+1)
	}
}

// next returns the stream whose turn it is, or nil. The stream stays in the queue; an incremental one moves to its end.
func (q *queue) next() *Stream {
	if q.count == 0 {
		return nil
	}
	for i := range q.levels {
		l := &q.levels[i]
		switch whole, shared := len(l.whole) > 0, len(l.shared) > 0; {
		case whole && (!shared || !l.sharedOn):
			l.sharedOn = true
			return l.whole[0]
		case shared:
			l.sharedOn = false
			s := l.shared[0]
			if len(l.shared) > 1 {
				copy(l.shared, l.shared[1:])
				l.shared[len(l.shared)-1] = s
			}
			return s
		}
	}
	return nil
}

// onPriorityUpdate changes the priority of a stream, which may not have been opened yet. RFC 9218 7.1.
func (a *acceptor) onPriorityUpdate(f *frames.PriorityUpdateFrame) error {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client {
		return protocolError("PRIORITY_UPDATE from a server")
	}
	if err := c.noiseLocked("PRIORITY_UPDATE frames"); err != nil {
		return err
	}
	c.peer.aware = true
	p := parsePriority(f.Priority)
	id := f.PrioritizedStreamID
	switch s := c.streams[id]; {
	case s != nil:
		c.send.ready.remove(s)
		s.prio = p
		s.scheduleLocked()
	case id%2 == 0:
		return protocolError("PRIORITY_UPDATE for a push")
	case id > c.lastIn:
		a.announcedLocked(id, p)
	}
	return nil
}

// announcedLocked stores the priority of a stream that has not been opened. It stores at most as many as there may be
// streams.
func (a *acceptor) announcedLocked(id uint32, p priority) {
	c := a.c
	if a.early == nil {
		a.early = make(map[uint32]priority)
	}
	if len(a.early) >= c.cfg.MaxStreams {
		maps.DeleteFunc(a.early, func(id uint32, _ priority) bool { return id <= c.lastIn }) // those passed over
	}
	if len(a.early) < c.cfg.MaxStreams {
		a.early[id] = p
	}
}
