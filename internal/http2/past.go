package http2

// ending is how a stream ended.
type ending uint8

const (
	unknown   ending = iota
	finished         // both sides have sent END_STREAM
	resetHere        // RST_STREAM was sent; frames may be on their way
	resetByPeer
)

// past remembers how the most recent streams ended, up to maxRemembered of them.
type past struct {
	ring      []ended
	next      int    // in ring, once that is full
	forgotten uint32 // no stream above this one has been forgotten
}

type ended struct {
	id  uint32
	how ending
}

func (p *past) add(id uint32, how ending) {
	if len(p.ring) < maxRemembered {
		p.ring = append(p.ring, ended{id, how})
		return
	}
	p.forgotten = max(p.forgotten, p.ring[p.next].id)
	p.ring[p.next] = ended{id, how}
	p.next = (p.next + 1) % maxRemembered
}

// how returns how a closed stream ended, or unknown if it has been forgotten or was never opened. It is only called for
// a peer that is late or in error.
func (p *past) how(id uint32) ending {
	for _, e := range p.ring {
		if e.id == id {
			return e.how
		}
	}
	return unknown
}

// mayBeForgotten reports whether a stream may have ended so long ago that it is forgotten.
func (p *past) mayBeForgotten(id uint32) bool { return id <= p.forgotten && p.how(id) == unknown }
