package target

import (
	"net"
	"sync"
)

// server is the accept loop of the hand-written targets: a goroutine for each connection.
type server struct {
	ln     net.Listener
	handle func(net.Conn)
	inline bool // handle runs in the accept loop, and the connection stays open after it
	group  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// serve starts handle for each connection to a free port. The connection is closed when handle returns.
func serve(handle func(net.Conn)) (Running, error) { return start(handle, false) }

// serveInline runs handle in one goroutine for all connections and keeps each open, to measure the least that a
// connection costs.
func serveInline(handle func(net.Conn)) (Running, error) { return start(handle, true) }

func start(handle func(net.Conn), inline bool) (Running, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return serveOn(ln, handle, inline), nil
}

func serveOn(ln net.Listener, handle func(net.Conn), inline bool) Running {
	s := &server{ln: ln, handle: handle, inline: inline, conns: map[net.Conn]struct{}{}}
	s.group.Go(s.accept)
	return s
}

func (s *server) accept() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		if !s.add(conn) {
			_ = conn.Close()
			return
		}
		if s.inline {
			s.handle(conn)
			continue
		}
		s.group.Go(func() {
			defer s.remove(conn)
			s.handle(conn)
		})
	}
}

func (s *server) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conns[conn] = struct{}{}
	}
	return !s.closed
}

func (s *server) remove(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
}

func (s *server) Addr() net.Addr { return s.ln.Addr() }

func (s *server) Close() error {
	err := s.ln.Close()
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.group.Wait()
	return err
}
