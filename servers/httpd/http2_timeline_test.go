package httpd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// timeline is a client of HTTP/2 that plays legal and illegal frames at random and knows what must follow.
type timeline struct {
	t   *testing.T
	rnd *rand.Rand
	fr  *frames.Framer
	enc *hpack.Encoder
	buf bytes.Buffer

	mu      sync.Mutex
	streams map[uint32]*timed
	order   []*timed
	send    int64 // windows
	recv    int64
	recv0   int64
	settled []int64 // recv0 after each SETTINGS that is not acknowledged
	pongs   int
	goAway  *frames.ErrCode
	why     string
	over    bool
	end     error
	next    uint32
	wrong   []string
}

type timed struct {
	id            uint32
	kind          string
	size          int
	sent          []byte
	send, recv    int64
	sentEnd       bool
	trailers      bool
	reset         bool // by this side
	broke         frames.ErrCode
	broken        bool // this side has broken a rule of the stream
	status        string
	final         bool
	got           []byte
	trailer       string
	recvEnd       bool
	wasReset      bool
	code          frames.ErrCode
	resets, after int
}

const timedMax = 12

// timelineHandler answers as the path requests.
func timelineHandler(w http.ResponseWriter, r *http.Request) {
	if r.Method == "CONNECT" {
		nc, err := Tunnel(w, r)
		if err != nil {
			return
		}
		for p := range nc.In.All(r.Context()) {
			if nc.Out.Send(r.Context(), p) != nil {
				break
			}
		}
		_ = nc.Close()
		return
	}
	n, _ := strconv.Atoi(r.Header.Get("Size"))
	switch strings.TrimPrefix(r.URL.Path, "/") {
	case "echo":
		w.Header().Set("Trailer", "T")
		p := make([]byte, 3000)
		for {
			n, err := r.Body.Read(p)
			if _, err := w.Write(p[:n]); err != nil {
				return
			}
			if err == io.EOF {
				break
			} else if err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		w.Header().Set("T", "end"+r.Trailer.Get("Sum"))
	case "whole":
		p, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set(http.TrailerPrefix+"T", "end"+r.Trailer.Get("Sum"))
		_, _ = w.Write(p)
	case "early":
		w.WriteHeader(103)
		_, _ = w.Write(bytes.Repeat([]byte("e"), n))
	case "sized":
		w.Header().Set("Content-Length", strconv.Itoa(n))
		w.(http.Flusher).Flush()
		_, _ = w.Write(bytes.Repeat([]byte("e"), n))
	case "hang":
		<-r.Context().Done()
	case "hangread":
		_, _ = io.ReadAll(r.Body)
	case "panic":
		_, _ = w.Write([]byte("x"))
		panic(http.ErrAbortHandler)
	}
}

func (m *timeline) fault(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

func (m *timeline) read() {
	for {
		f, err := m.fr.ReadFrame()
		m.mu.Lock()
		if err != nil {
			m.over, m.end = true, err
			m.mu.Unlock()
			return
		}
		m.on(f)
		m.mu.Unlock()
	}
}

func (m *timeline) on(f frames.Frame) {
	id := f.Header().StreamID
	s := m.streams[id]
	if id != 0 && s == nil {
		m.fault("frame of an unknown stream %v", f)
		return
	}
	if s != nil && (s.wasReset) {
		switch f.(type) {
		case *frames.RSTStreamFrame:
		default:
			m.fault("%v after RST_STREAM", f)
		}
	}
	if s != nil && s.recvEnd {
		switch f.(type) {
		case *frames.RSTStreamFrame, *frames.WindowUpdateFrame:
		default:
			m.fault("%v after END_STREAM", f)
		}
	}
	switch f := f.(type) {
	case *frames.SettingsFrame:
		if f.IsAck() {
			if len(m.settled) == 0 {
				m.fault("ack of nothing")
				return
			}
			m.recv0, m.settled = m.settled[0], m.settled[1:]
			return
		}
		_ = m.fr.WriteSettingsAck()
	case *frames.MetaHeadersFrame:
		if s.final {
			if !f.StreamEnded() {
				m.fault("second head without end %d", id)
			}
			for _, h := range f.Fields {
				if h.Name == "t" {
					s.trailer = h.Value
				}
				if strings.HasPrefix(h.Name, ":") {
					m.fault("pseudo in trailers")
				}
			}
		} else {
			s.status = f.PseudoValue("status")
			s.final = s.status >= "200"
		}
		s.recvEnd = s.recvEnd || f.StreamEnded()
	case *frames.DataFrame:
		n := int64(f.Length)
		m.recv -= n
		s.recv -= n
		if m.recv < 0 || s.recv < 0 && n > 0 {
			m.fault("window of %d exceeded: %d %d", id, m.recv, s.recv)
		}
		if !s.final {
			m.fault("DATA before head")
		}
		s.got = append(s.got, f.Data()...)
		s.recvEnd = s.recvEnd || f.StreamEnded()
	case *frames.RSTStreamFrame:
		if s.resets++; s.resets > 1 && !s.broken {
			m.fault("%d resets of %d", s.resets, id)
		}
		s.wasReset = true
		if s.resets == 1 {
			s.code = f.ErrCode
		}
	case *frames.GoAwayFrame:
		code := f.ErrCode
		m.goAway, m.why = &code, string(f.DebugData())
	case *frames.WindowUpdateFrame:
		if id == 0 {
			m.send += int64(f.Increment)
		} else {
			s.send += int64(f.Increment)
		}
	case *frames.PingFrame:
		if f.IsAck() {
			m.pongs--
		}
	}
}

func (m *timeline) head(id uint32, end bool, fields []hpack.HeaderField) error {
	m.buf.Reset()
	for _, f := range fields {
		_ = m.enc.WriteField(f)
	}
	p := m.buf.Bytes()
	parts := m.rnd.IntN(4)
	first := frames.HeadersFrameParam{StreamID: id, EndStream: end, EndHeaders: parts == 0, BlockFragment: p}
	if m.rnd.IntN(3) == 0 {
		first.PadLength = uint8(m.rnd.IntN(20))
	}
	if m.rnd.IntN(3) == 0 {
		first.Priority = frames.PriorityParam{StreamDep: uint32(m.rnd.IntN(100) * 2), Weight: 3}
	}
	rest := p
	if parts > 0 {
		cut := m.rnd.IntN(len(p) + 1)
		first.BlockFragment, rest = p[:cut], p[cut:]
	}
	if err := m.fr.WriteHeaders(first); err != nil {
		return err
	}
	for ; parts > 0; parts-- {
		cut := len(rest)
		if parts > 1 {
			cut = m.rnd.IntN(len(rest) + 1)
		}
		if err := m.fr.WriteContinuation(id, parts == 1, rest[:cut]); err != nil {
			return err
		}
		rest = rest[cut:]
	}
	return nil
}

func (m *timeline) live() int {
	n := 0
	for _, s := range m.order {
		if !s.dead() {
			n++
		}
	}
	return n
}

func (s *timed) dead() bool { return s.reset || s.wasReset || s.broken || s.sentEnd && s.recvEnd }

func (m *timeline) add(kind string) *timed {
	s := &timed{id: m.next, kind: kind, send: 65536, recv: m.recv0}
	if len(m.settled) > 0 {
		s.recv = m.settled[len(m.settled)-1]
	}
	m.next += 2 * uint32(1+m.rnd.IntN(2))
	m.streams[s.id] = s
	m.order = append(m.order, s)
	return s
}

var kinds = []string{"echo", "whole", "early", "sized", "hang", "hangread", "panic", "connect", "ws"}

// open sends a request. The lock is held.
func (m *timeline) open(kind string) *timed {
	s := m.add(kind)
	s.size = m.rnd.IntN(3) * m.rnd.IntN(40_000)
	var fields []hpack.HeaderField
	end := false
	switch kind {
	case "connect":
		fields = []hpack.HeaderField{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "a:1"}}
	case "ws":
		fields = []hpack.HeaderField{{Name: ":method", Value: "CONNECT"}, {Name: ":protocol", Value: "x"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "a:1"}, {Name: ":path", Value: "/"}}
	default:
		end = m.rnd.IntN(4) == 0
		fields = []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "a"}, {Name: ":path", Value: "/" + kind}, {Name: "size", Value: strconv.Itoa(s.size)}}
		if end {
			break
		}
		if m.rnd.IntN(3) == 0 {
			fields = append(fields, hpack.HeaderField{Name: "expect", Value: "100-continue"})
		}
		s.trailers = m.rnd.IntN(3) == 0
		if s.trailers {
			fields = append(fields, hpack.HeaderField{Name: "trailer", Value: "sum"})
		}
		if m.rnd.IntN(3) == 0 {
			fields = append(fields, hpack.HeaderField{Name: "content-length", Value: strconv.Itoa(s.size)})
		}
	}
	_ = m.head(s.id, end, fields)
	if end {
		s.size = 0
	}
	s.sentEnd = end
	return s
}

func (m *timeline) pick(ok func(*timed) bool) *timed {
	var list []*timed
	for _, s := range m.order {
		if ok(s) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[m.rnd.IntN(len(list))]
}

// body sends some of a body, as far as windows let it.
func (m *timeline) body(s *timed, all bool) {
	left := s.size - len(s.sent)
	n := min(left, 16000, int(m.send), int(s.send))
	if n < 0 {
		n = 0
	}
	if !all && n > 0 {
		n = m.rnd.IntN(n + 1)
	}
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(len(s.sent)+i) ^ byte(s.id)
	}
	end := n == left && !s.trailers
	pad := 0
	if room := min(int(m.send), int(s.send)) - n; room > 1 && m.rnd.IntN(3) == 0 {
		pad = m.rnd.IntN(min(room, 250))
	}
	size := n
	if pad > 0 {
		_ = m.fr.WriteDataPadded(s.id, end, p, make([]byte, pad))
		size += pad + 1
	} else {
		_ = m.fr.WriteData(s.id, end, p)
	}
	m.send -= int64(size)
	s.send -= int64(size)
	s.sent = append(s.sent, p...)
	if n == left && s.trailers {
		_ = m.head(s.id, true, []hpack.HeaderField{{Name: "sum", Value: "ok"}})
		end = true
	}
	s.sentEnd = end
}

func alive(s *timed) bool   { return !s.dead() }
func sending(s *timed) bool { return !s.dead() && !s.sentEnd }

func (m *timeline) step() {
	switch m.rnd.IntN(14) {
	case 0, 1, 2:
		if m.live() < timedMax {
			m.open(kinds[m.rnd.IntN(len(kinds))])
		}
	case 3, 4, 5, 6:
		if s := m.pick(sending); s != nil {
			m.body(s, m.rnd.IntN(2) == 0)
		}
	case 7:
		if s := m.pick(alive); s != nil {
			_ = m.fr.WriteRSTStream(s.id, frames.ErrCodeCancel)
			s.reset = true
		}
	case 8:
		n := m.rnd.IntN(60_000) + 1
		_ = m.fr.WriteWindowUpdate(0, uint32(n))
		m.recv += int64(n)
	case 9, 10:
		if s := m.pick(alive); s != nil {
			n := m.rnd.IntN(60_000) + 1
			_ = m.fr.WriteWindowUpdate(s.id, uint32(n))
			s.recv += int64(n)
		}
	case 11:
		w := int64(m.rnd.IntN(100_000))
		was := m.recv0
		if len(m.settled) > 0 {
			was = m.settled[len(m.settled)-1]
		}
		_ = m.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: uint32(w)})
		m.settled = append(m.settled, w)
		for _, s := range m.order {
			if w > was { // otherwise the server may not know it yet
				s.recv += w - was
			} else {
				s.after += int(was - w)
			}
		}
	case 12:
		switch m.rnd.IntN(4) {
		case 0:
			_ = m.fr.WritePing(false, [8]byte{1})
			m.pongs++
		case 1:
			_ = m.fr.WritePriorityUpdate(m.next+uint32(m.rnd.IntN(10))*2, "u=1, i")
		case 2:
			_ = m.fr.WriteRawFrame(0xbb, 0xff, m.next, []byte("x"))
		case 3:
			_ = m.fr.WritePriority(m.next+8, frames.PriorityParam{StreamDep: 1})
		}
	case 13:
		m.breakStream()
	}
}

// breakStream breaks a rule of one stream.
func (m *timeline) breakStream() {
	m.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	synctest.Wait() // so that both sides know the state
	m.mu.Lock()
	breaks := func(s *timed, code frames.ErrCode) {
		s.broken, s.broke = true, code
	}
	switch m.rnd.IntN(9) {
	case 0: // DATA behind the end
		if s := m.pick(func(s *timed) bool { return alive(s) && s.sentEnd }); s != nil && m.send > 10 {
			_ = m.fr.WriteData(s.id, m.rnd.IntN(2) == 0, []byte("late"))
			m.send -= 4
			breaks(s, frames.ErrCodeStreamClosed)
		}
	case 1: // HEADERS behind the end
		if s := m.pick(func(s *timed) bool { return alive(s) && s.sentEnd }); s != nil {
			_ = m.head(s.id, true, []hpack.HeaderField{{Name: "sum", Value: "ok"}})
			breaks(s, frames.ErrCodeStreamClosed)
		}
	case 2: // a second head
		if s := m.pick(sending); s != nil {
			_ = m.head(s.id, false, []hpack.HeaderField{{Name: "sum", Value: "ok"}})
			breaks(s, frames.ErrCodeProtocol)
		}
	case 3: // pseudo field in trailers
		if s := m.pick(sending); s != nil {
			_ = m.head(s.id, true, []hpack.HeaderField{{Name: ":path", Value: "/"}})
			breaks(s, frames.ErrCodeProtocol)
		}
	case 4:
		if s := m.pick(alive); s != nil {
			_ = m.fr.WriteRawFrame(frames.FrameWindowUpdate, 0, s.id, make([]byte, 4))
			breaks(s, frames.ErrCodeProtocol)
		}
	case 5:
		if s := m.pick(func(s *timed) bool { return alive(s) && s.recv-int64(s.after) > 0 }); s != nil {
			_ = m.fr.WriteWindowUpdate(s.id, 1<<31-1)
			breaks(s, frames.ErrCodeFlowControl)
		}
	case 6: // malformed requests
		bad := [][]hpack.HeaderField{
			{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "a"}},
			ask2("GET", hpack.HeaderField{Name: "Upper", Value: "x"}),
			ask2("GET", hpack.HeaderField{Name: "connection", Value: "x"}),
			ask2("GET", hpack.HeaderField{Name: "te", Value: "gzip"}),
			ask2("GET", hpack.HeaderField{Name: ":path", Value: "/"}),
			ask2("GET", hpack.HeaderField{Name: "x", Value: "a\nb"}),
			ask2("GET", hpack.HeaderField{Name: "content-length", Value: "5"}),
			ask2("GET", hpack.HeaderField{Name: "host", Value: "b"}),
		}
		if m.live() >= timedMax {
			break
		}
		s := m.add("bad")
		_ = m.head(s.id, true, bad[m.rnd.IntN(len(bad))])
		breaks(s, frames.ErrCodeProtocol)
	case 7: // DATA behind RST_STREAM of this side
		if s := m.pick(alive); s != nil && m.send > 10 {
			_ = m.fr.WriteRSTStream(s.id, frames.ErrCodeCancel)
			_ = m.fr.WriteData(s.id, false, []byte("late"))
			m.send -= 4
			breaks(s, frames.ErrCodeStreamClosed)
		}
	case 8: // depends on itself
		if s := m.pick(alive); s != nil {
			_ = m.fr.WritePriority(s.id, frames.PriorityParam{StreamDep: s.id})
			breaks(s, frames.ErrCodeProtocol)
		}
	}
	m.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
	m.mu.Lock()
}

func (m *timeline) checkAll() {
	require.Empty(m.t, m.wrong)
	if m.goAway != nil {
		m.t.Fatalf("GOAWAY %v %q", *m.goAway, m.why)
	}
	require.False(m.t, m.over, "%v", m.end)
	for _, s := range m.order {
		what := fmt.Sprintf("stream %d %s status %s, size %d sent %d end %v got %d end %v reset %v %v", s.id, s.kind, s.status, s.size, len(s.sent), s.sentEnd, len(s.got), s.recvEnd, s.wasReset, s.code)
		switch {
		case s.broken:
			require.True(m.t, s.wasReset, what)
			require.Equal(m.t, s.broke, s.code, what)
		case s.reset:
		case s.wasReset:
			switch s.kind {
			case "panic":
				require.Equal(m.t, frames.ErrCodeInternal, s.code, what)
			case "early", "sized":
				require.Equal(m.t, frames.ErrCodeNo, s.code, what)
				require.True(m.t, s.recvEnd, what)
			default:
				m.t.Fatal(what)
			}
		}
		if s.recvEnd && !s.broken && !s.reset {
			m.checkReply(s, what)
		}
	}
}

func (m *timeline) checkReply(s *timed, what string) {
	switch s.kind {
	case "early", "sized":
		require.Equal(m.t, "200", s.status, what)
	case "echo", "whole", "connect", "ws":
		require.Equal(m.t, "200", s.status, what)
		require.True(m.t, s.sentEnd, what)
		require.True(m.t, bytes.Equal(s.sent, s.got), what)
		if s.kind == "echo" || s.kind == "whole" {
			want := "end"
			if s.trailers {
				want += "ok"
			}
			require.Equal(m.t, want, s.trailer, what)
		}
	}
}

func (m *timeline) pause() {
	m.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
	m.mu.Lock()
}

// TestHTTP2AmongRandomFrames plays frames that are legal, and some that break a rule of one stream. Only that stream is
// reset, with the code of RFC 9113; all others are served, and no credit, handler or place for a stream is lost.
func TestHTTP2AmongRandomFrames(t *testing.T) {
	first := rand.Uint64()
	for seed := first; seed < first+25; seed++ {
		playTimeline(t, seed)
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
}

func playTimeline(t *testing.T, seed uint64) {
	var running atomic.Int64
	handler := func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Add(-1)
		timelineHandler(w, r)
	}
	cfg := &Config{HTTP2: HTTP2Config{MaxStreams: timedMax, Window: 65536, MaxWindow: 65536, ConnWindow: 200_000}}
	inBubble(t, handler, cfg, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, in := dial()
		m := &timeline{t: t, rnd: rand.New(rand.NewPCG(seed, 3)), fr: frames.NewFramer(nc, in), streams: map[uint32]*timed{}, send: 65535, recv: 65535, recv0: 65535, next: 1}
		m.fr.AllowIllegalWrites = true
		m.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		m.enc = hpack.NewEncoder(&m.buf)
		read := make(chan struct{})
		_, _ = io.WriteString(nc, frames.ClientPreface)
		_ = m.fr.WriteSettings(frames.Setting{ID: frames.SettingMaxFrameSize, Val: 1 << 20})
		m.settled = append(m.settled, 65535)
		go func() {
			defer close(read)
			m.read()
		}()
		locked := true
		defer func() {
			if locked {
				m.mu.Unlock()
			}
			_ = nc.Close()
			<-read
		}()
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		m.mu.Lock()
		for range 200 {
			m.step()
			if m.rnd.IntN(3) == 0 {
				m.pause()
			}
			require.Empty(t, m.wrong)
			if m.goAway != nil {
				break
			}
		}
		m.pause()
		m.checkAll()
		// finish
		for round := 0; ; round++ {
			require.Less(t, round, 300, "streams that do not end")
			_ = m.fr.WriteWindowUpdate(0, 1<<18)
			m.recv += 1 << 18
			left := 0
			for _, s := range m.order {
				if s.dead() {
					continue
				}
				left++
				_ = m.fr.WriteWindowUpdate(s.id, 1<<16)
				s.recv += 1 << 16
				if !s.sentEnd && s.kind != "hang" {
					m.body(s, true)
				} else if s.kind == "hang" {
					_ = m.fr.WriteRSTStream(s.id, frames.ErrCodeCancel)
					s.reset = true
				}
			}
			m.pause()
			if left == 0 {
				break
			}
		}
		m.checkAll()
		require.Zero(t, m.pongs)
		require.Zero(t, running.Load(), "handlers")
		require.GreaterOrEqual(t, m.send, int64(200_000*3/4), "credit of the connection")
		// no slot is lost
		var last []*timed
		for range timedMax {
			last = append(last, m.open("hang"))
		}
		extra := m.open("hang")
		m.pause()
		require.True(t, extra.wasReset)
		require.Equal(t, frames.ErrCodeRefusedStream, extra.code)
		for _, s := range last {
			require.False(t, s.wasReset)
		}
		require.EqualValues(t, timedMax, running.Load())
		m.mu.Unlock()
		locked = false
		_ = nc.Close()
		<-read
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		require.Zero(t, running.Load(), "handlers")
	})
}
