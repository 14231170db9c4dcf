package load

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Conn makes an HTTP/2 connection look like an HTTP/1.1 connection with identical pipelined requests: each request
// written opens a stream, and each complete response can be read. Responses may arrive in another order than the
// requests; the latency of a reply is then that of the request that has waited longest.
type http2Conn struct {
	net.Conn
	fr   *http2.Framer
	in   *bufio.Reader
	size int    // of a request as it is written
	head []byte // the header block of each request, without a dynamic table
	body []byte

	reading chan struct{} // closed when the reader has returned

	writing sync.Mutex // of the Framer and out; never taken while mu is held
	out     *bufio.Writer

	mu      sync.Mutex
	changed sync.Cond
	next    uint32 // id of the next stream
	most    int    // streams at once
	part    int    // bytes of the next request that have been written
	credit  int64  // for the connection
	initial int64  // for a new stream
	streams map[uint32]*http2Stream
	spare   []*http2Stream // ended streams, for reuse
	taken   uint32         // bytes whose credit has not been returned
	replies bytes.Buffer
	err     error // why the reader ended
}

// http2Stream is a request that has not been answered.
type http2Stream struct {
	credit int64
	status string
	body   []byte
}

const (
	http2Window   = 1 << 30 // what the server may send
	http2MaxFrame = 16 << 10
	http2Buffer   = 64 << 10
)

// send writes frames, which flush passes on.
func (c *http2Conn) send(write func() error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return write()
}

func (c *http2Conn) flush() error { return c.send(c.out.Flush) }

// newHTTP2 sends the preface and the settings on conn.
func newHTTP2(conn net.Conn, spec Spec) (*http2Conn, error) {
	u, err := url.Parse(spec.URL)
	if err != nil {
		return nil, err
	}
	c := &http2Conn{
		Conn: conn, in: bufio.NewReaderSize(conn, http2Buffer), out: bufio.NewWriterSize(conn, http2Buffer),
		size: newRequests(spec).size, reading: make(chan struct{}),
		next: 1, most: 100, credit: 65535, initial: 65535, streams: map[uint32]*http2Stream{},
	}
	c.fr = http2.NewFramer(c.out, c.in)
	c.changed.L = &c.mu
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.fr.SetReuseFrames()
	if spec.Post {
		c.body = bytes.Repeat([]byte("x"), spec.Size)
	}
	c.head = requestBlock(u, spec)
	_, err = c.out.WriteString(http2.ClientPreface)
	err = errors.Join(err,
		c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: http2Window}, http2.Setting{ID: http2.SettingEnablePush}),
		c.fr.WriteWindowUpdate(0, http2Window), c.out.Flush())
	if err != nil {
		return nil, err
	}
	go c.read() // until the connection is closed
	return c, nil
}

func requestBlock(u *url.URL, spec Spec) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	enc.SetMaxDynamicTableSizeLimit(0)
	fields := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", u.Host}, {":path", u.RequestURI()}}
	if spec.Post {
		fields[0][1] = "POST"
		fields = append(fields, [2]string{"content-length", strconv.Itoa(spec.Size)})
	}
	for _, f := range fields {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // a bytes.Buffer does not fail
	}
	return b.Bytes()
}

// Write opens a stream for each request that p completes. It waits while the server's limits allow no more.
func (c *http2Conn) Write(p []byte) (int, error) {
	for c.part += len(p); c.part >= c.size; c.part -= c.size {
		if err := c.open(); err != nil {
			return 0, err
		}
	}
	return len(p), c.flush()
}

func (c *http2Conn) open() error {
	var id uint32
	var s *http2Stream
	err := c.await(func() bool {
		if len(c.streams) >= c.most {
			return false
		}
		id, s = c.openLocked()
		return true
	})
	if err != nil {
		return err
	}
	err = c.send(func() error {
		return c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.head, EndHeaders: true, EndStream: len(c.body) == 0})
	})
	for rest := c.body; len(rest) > 0 && err == nil; {
		var n int64
		err = c.await(func() bool {
			n = min(int64(len(rest)), http2MaxFrame, c.credit, s.credit)
			if n <= 0 {
				return false
			}
			c.credit -= n
			s.credit -= n
			return true
		})
		if err == nil {
			err = c.send(func() error { return c.fr.WriteData(id, int(n) == len(rest), rest[:n]) })
			rest = rest[n:]
		}
	}
	return err
}

// openLocked assigns the id of a stream.
func (c *http2Conn) openLocked() (id uint32, s *http2Stream) {
	if last := len(c.spare) - 1; last >= 0 {
		s, c.spare = c.spare[last], c.spare[:last]
	} else {
		s = new(http2Stream)
	}
	*s = http2Stream{credit: c.initial, body: s.body[:0]}
	id = c.next
	c.next += 2
	c.streams[id] = s
	return id, s
}

// await waits until ok returns true, which is called with the lock held, or the connection has ended. It flushes first,
// because the condition may depend on what has been written.
func (c *http2Conn) await(ok func() bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for flushed := false; !ok(); {
		if c.err != nil {
			return c.err
		}
		if flushed {
			c.changed.Wait()
			continue
		}
		flushed = true
		c.mu.Unlock()
		err := c.flush()
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// Read reads responses in their HTTP/1.1 form.
func (c *http2Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.replies.Len() == 0 && c.err == nil {
		c.changed.Wait()
	}
	if c.replies.Len() > 0 {
		return c.replies.Read(p)
	}
	return 0, c.err
}

// CloseWrite ends the connection gracefully: the server then ends its side.
func (c *http2Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close ends the connection and its reader.
func (c *http2Conn) Close() error {
	err := c.Conn.Close()
	<-c.reading
	return err
}

func (c *http2Conn) read() {
	defer close(c.reading)
	for {
		frame, err := c.fr.ReadFrame()
		var answer func() error
		c.mu.Lock()
		if err == nil {
			answer, err = c.takeLocked(frame)
		}
		c.mu.Unlock()
		if err == nil && answer != nil {
			err = errors.Join(c.send(answer), c.flush())
		}
		if err == nil && c.more() {
			continue // one wake-up for all of them
		}
		c.mu.Lock()
		c.err = err
		c.changed.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// more reports whether another frame can be read without waiting.
func (c *http2Conn) more() bool {
	const header = 9
	if c.in.Buffered() < header {
		return false
	}
	p, _ := c.in.Peek(header) // it has arrived
	return c.in.Buffered() >= header+int(binary.BigEndian.Uint32(p)>>8)
}

// takeLocked handles a frame, and returns the reply to send, if any.
func (c *http2Conn) takeLocked(frame http2.Frame) (answer func() error, err error) {
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		if s, status := c.streams[f.StreamID], f.PseudoValue("status"); s != nil && status != "" && status[0] != '1' {
			s.status = status
		}
		c.endLocked(f.StreamID, f.StreamEnded())
	case *http2.DataFrame:
		if s := c.streams[f.StreamID]; s != nil {
			s.body = append(s.body, f.Data()...)
		}
		c.endLocked(f.StreamID, f.StreamEnded())
		return c.returnLocked(f.Length), nil
	case *http2.WindowUpdateFrame:
		c.creditLocked(f)
	case *http2.SettingsFrame:
		return c.settingsLocked(f), nil
	case *http2.PingFrame:
		if data := f.Data; !f.IsAck() {
			return func() error { return c.fr.WritePing(true, data) }, nil
		}
	case *http2.RSTStreamFrame:
		if c.streams[f.StreamID] != nil {
			return nil, fmt.Errorf("the server has reset a stream: %v", f.ErrCode)
		}
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo {
			return nil, fmt.Errorf("the server goes away: %v %s", f.ErrCode, f.DebugData())
		}
	}
	return nil, nil
}

// returnLocked returns credit from time to time.
func (c *http2Conn) returnLocked(n uint32) func() error {
	if c.taken += n; c.taken < http2Window/4 {
		return nil
	}
	taken := c.taken
	c.taken = 0
	return func() error { return c.fr.WriteWindowUpdate(0, taken) }
}

func (c *http2Conn) creditLocked(f *http2.WindowUpdateFrame) {
	if f.StreamID == 0 {
		c.credit += int64(f.Increment)
	} else if s := c.streams[f.StreamID]; s != nil {
		s.credit += int64(f.Increment)
	}
}

func (c *http2Conn) settingsLocked(f *http2.SettingsFrame) func() error {
	if f.IsAck() {
		return nil
	}
	if v, ok := f.Value(http2.SettingMaxConcurrentStreams); ok {
		c.most = int(min(v, 1<<20))
	}
	if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
		for _, s := range c.streams {
			s.credit += int64(v) - c.initial
		}
		c.initial = int64(v)
	}
	return c.fr.WriteSettingsAck
}

// endLocked makes a response readable if it is complete.
func (c *http2Conn) endLocked(id uint32, ended bool) {
	s := c.streams[id]
	if s == nil || !ended {
		return
	}
	p := append(append(c.replies.AvailableBuffer(), "HTTP/1.1 "...), s.status...)
	p = strconv.AppendInt(append(p, " \r\nContent-Length: "...), int64(len(s.body)), 10)
	c.replies.Write(append(append(p, "\r\n\r\n"...), s.body...))
	delete(c.streams, id)
	c.spare = append(c.spare, s)
}
