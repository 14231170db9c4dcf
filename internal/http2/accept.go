package http2

// acceptor opens the streams of a client on a server.
type acceptor struct {
	c       *Conn
	server  Server
	request Request             // of the goroutine that reads
	early   map[uint32]priority // of streams that have not been opened; under the lock
}

// onRequest handles a header block of a client: a request, or trailers.
func (a *acceptor) onRequest(id uint32, end bool) error {
	c := a.c
	if id%2 == 0 {
		return protocolError("stream of a client with an even id")
	}
	c.mu.Lock()
	s := c.streams[id]
	if s != nil {
		c.mu.Unlock()
		return c.recv.onTrailers(s, end)
	}
	if id <= c.lastIn {
		defer c.mu.Unlock()
		return c.recv.lateHeadersLocked(id)
	}
	if err := c.send.checkOwedLocked(); err != nil { // handlers reset streams too
		c.mu.Unlock()
		return err
	}
	c.lastIn = id
	if c.leaving == leftover {
		c.past.add(id, resetHere) // GOAWAY has announced that it is ignored
		c.mu.Unlock()
		return nil
	}
	full := len(c.streams) >= c.cfg.MaxStreams || c.zombies >= maxZombies
	c.mu.Unlock()
	if full {
		return c.refuse(id, &StreamError{Code: RefusedStream})
	}
	r := &a.request
	*r = Request{End: end, Length: -1}
	if err := r.parse(c.recv.block.fields, c.cfg.Limits, !c.cfg.NoConnect); err != nil && !c.recv.block.tooBig {
		return c.refuse(id, err)
	}
	if c.recv.block.tooBig {
		r.Refused, r.Fields = 431, nil
	}
	if end && r.Length > 0 && r.Refused == 0 {
		return c.refuse(id, malformed("content-length without a body"))
	}
	a.admitRequest(id, r)
	return nil
}

// admitRequest opens a stream for a request, and starts its handler.
func (a *acceptor) admitRequest(id uint32, r *Request) {
	c := a.c
	c.mu.Lock()
	s := c.newStream(id)
	s.recvEnd, s.declared, s.tunnel = r.End, r.Length, r.Method == "CONNECT"
	a.prioritizeLocked(s, r)
	c.streams[id] = s
	c.mu.Unlock()
	h := a.server.Accept(s, r)
	if h == nil {
		s.Reset(RefusedStream, nil)
		return
	}
	c.mu.Lock()
	s.handler, s.serving = h, true
	c.running++
	gone := s.err
	if gone != nil { // meanwhile
		s.zombie = true
		c.zombies++
	}
	c.mu.Unlock()
	if gone != nil {
		h.Gone(gone)
	}
	c.workers.Add(1)
	go s.serve(h)
}

// prioritizeLocked sets the priority of a stream from its request, or from an earlier PRIORITY_UPDATE. RFC 9218 5, 7.
func (a *acceptor) prioritizeLocked(s *Stream, r *Request) {
	c := a.c
	for i := range r.Fields {
		if r.Fields[i].Name == "priority" {
			c.peer.aware = true
			s.prio = parsePriority(r.Fields[i].Value)
		}
	}
	if p, ok := a.early[s.id]; ok {
		s.prio = p
		delete(a.early, s.id)
	}
}
