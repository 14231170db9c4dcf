package http2

// ending is how a stream ended.
type ending uint8

const (
	unknown   ending = iota
	finished         // both sides have sent END_STREAM
	resetHere        // RST_STREAM was sent; frames may be on their way
	resetByPeer
)

// past remembers how the streams ended that ended last.
type past struct {
	how  map[uint32]ending
	ring [maxRemembered]uint32
	next int
}

func (p *past) add(id uint32, how ending) {
	if p.how == nil {
		p.how = make(map[uint32]ending)
	}
	if old := p.ring[p.next]; old != 0 {
		delete(p.how, old)
	}
	p.how[id] = how
	p.ring[p.next] = id
	p.next = (p.next + 1) % maxRemembered
}
