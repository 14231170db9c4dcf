package target

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
)

// The hand-written loops. Each is optimized for the protocol: one goroutine per connection, a large buffer on either
// side, and a flush only if the next frame has not arrived completely.

const (
	bufSize  = 32 << 10
	frameMax = 16 << 20
	bigFrame = 16 << 10 // frames of at least this size bypass the buffers
)

func loopTargets() []Target {
	return []Target{
		{Name: "net loop", Codec: "raw", Start: func() (Running, error) { return serve(netLoop) }},
		{Name: "bufio owned", Codec: "u32", Start: func() (Running, error) { return serve(bufioOwned) }},
		{Name: "bufio borrowed", Codec: "u32", Start: func() (Running, error) { return serve(bufioBorrowed) }},
		{Name: "bufio typed", Codec: "u32", Zeros: true, Start: func() (Running, error) { return serve(bufioTyped) }},
		{Name: "bufio wide", Codec: "u32", Start: func() (Running, error) { return serve(bufioWide) }},
		{Name: "bufio unbatched", Codec: "u32", Start: func() (Running, error) { return serve(bufioUnbatched) }},
		{Name: "net loop, 64 B buffer", Codec: "raw", Start: func() (Running, error) { return serve(smallLoop) }},
		{Name: "net.TCPConn idle", Codec: "u32", Start: func() (Running, error) { return serveInline(idle) }},
	}
}

// netLoop is the simplest echo.
func netLoop(conn net.Conn) { echoBy(conn, make([]byte, bufSize)) }

// smallLoop is the cheapest echo for a short-lived connection.
func smallLoop(conn net.Conn) { echoBy(conn, make([]byte, 64)) }

func echoBy(conn net.Conn, buf []byte) {
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

// frames is a connection with a buffer on either side.
type frames struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	head [4]byte
	vec  [2][]byte
}

func newFrames(conn net.Conn) *frames {
	return &frames{conn: conn, r: bufio.NewReaderSize(conn, bufSize), w: bufio.NewWriterSize(conn, bufSize)}
}

// length returns the length of the next frame without consuming it.
func (f *frames) length() (int, error) {
	head, err := f.r.Peek(4)
	if err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(head)
	if n > frameMax {
		return 0, io.ErrShortBuffer
	}
	_, err = f.r.Discard(4)
	return int(n), err
}

// whole reports whether the next frame has arrived completely.
func (f *frames) whole() bool {
	have := f.r.Buffered()
	if have < 4 {
		return false
	}
	head, _ := f.r.Peek(4)
	return have-4 >= int(binary.BigEndian.Uint32(head))
}

// flush writes the buffered frames unless there is more to answer first.
func (f *frames) flush() error {
	if f.w.Buffered() == 0 || f.whole() {
		return nil
	}
	return f.w.Flush()
}

// read returns a frame that the caller owns. A large one is read straight into it.
func (f *frames) read() ([]byte, error) {
	n, err := f.length()
	if err != nil {
		return nil, err
	}
	p := make([]byte, n)
	_, err = io.ReadFull(f.r, p)
	return p, err
}

// write writes a frame, a large one in place, with writev.
func (f *frames) write(p []byte) error {
	binary.BigEndian.PutUint32(f.head[:], uint32(len(p)))
	if len(p) < bigFrame {
		_, _ = f.w.Write(f.head[:]) // its error is sticky
		_, err := f.w.Write(p)
		return err
	}
	if err := f.w.Flush(); err != nil {
		return err
	}
	f.vec = [2][]byte{f.head[:], p}
	vec := net.Buffers(f.vec[:])
	_, err := vec.WriteTo(f.conn)
	return err
}

func bufioOwned(conn net.Conn) {
	f := newFrames(conn)
	for {
		p, err := f.read()
		if err != nil || f.write(p) != nil || f.flush() != nil {
			return
		}
	}
}

// bufioUnbatched writes each reply at once.
func bufioUnbatched(conn net.Conn) {
	f := newFrames(conn)
	for {
		p, err := f.read()
		if err != nil || f.write(p) != nil || f.w.Flush() != nil {
			return
		}
	}
}

// bufioBorrowed echoes frames from the read buffer, or from one scratch buffer if they are larger.
func bufioBorrowed(conn net.Conn) {
	f := newFrames(conn)
	var scratch []byte
	for {
		n, err := f.length()
		if err != nil {
			return
		}
		if n <= bufSize {
			p, err := f.r.Peek(n)
			if err != nil || f.write(p) != nil {
				return
			}
			_, _ = f.r.Discard(n) // they were peeked at
		} else {
			if cap(scratch) < n {
				scratch = make([]byte, n)
			}
			if _, err := io.ReadFull(f.r, scratch[:n]); err != nil || f.write(scratch[:n]) != nil {
				return
			}
		}
		if f.flush() != nil {
			return
		}
	}
}

// record returns the next frame, which is one record, valid until the next read. The caller then discards it.
func (f *frames) record() ([]byte, error) {
	p, err := f.r.Peek(4 + recordSize)
	if err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(p) != recordSize {
		return nil, io.ErrUnexpectedEOF
	}
	return p[4:], nil
}

// begin returns the write buffer with the length of a record appended.
func (f *frames) begin() ([]byte, error) {
	if f.w.Available() < 4+recordSize {
		if err := f.w.Flush(); err != nil {
			return nil, err
		}
	}
	return binary.BigEndian.AppendUint32(f.w.AvailableBuffer(), recordSize), nil
}

// bufioTyped decodes each frame to a value and encodes each value to a frame.
func bufioTyped(conn net.Conn) {
	f := newFrames(conn)
	for {
		p, err := f.record()
		if err != nil {
			return
		}
		v := takeCount(p)
		_, _ = f.r.Discard(4 + recordSize) // they were peeked at
		dst, err := f.begin()
		if err != nil {
			return
		}
		if _, err := f.w.Write(v.put(dst)); err != nil || f.flush() != nil {
			return
		}
	}
}

func bufioWide(conn net.Conn) {
	f := newFrames(conn)
	for {
		p, err := f.record()
		if err != nil {
			return
		}
		v := takeWide(p)
		_, _ = f.r.Discard(4 + recordSize) // they were peeked at
		dst, err := f.begin()
		if err != nil {
			return
		}
		if _, err := f.w.Write(v.put(dst)); err != nil || f.flush() != nil {
			return
		}
	}
}

// idle echoes the first frame of a connection.
func idle(conn net.Conn) {
	var buf [4 + recordSize]byte
	if _, err := io.ReadFull(conn, buf[:]); err == nil {
		_, _ = conn.Write(buf[:])
	}
}
