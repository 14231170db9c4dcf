package http2

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
)

// serverModel is a model of a server. It also makes the client open streams.
type serverModel struct {
	*model
	c     *Conn
	asked map[uint32]*query
	runs  sync.WaitGroup
}

// query is a request of the client and its outcome.
type query struct {
	size    int // of the request's body
	status  string
	heads   int
	body    string
	trailer string
	err     error
	sendErr error
}

// TestClientReadsARandomServer has a client send requests that are answered at random, with windows of all sizes, by a
// server that finally breaks a rule.
func TestClientReadsARandomServer(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		here, there := chanio.Pipe()
		window := []int{0, 1000, 20_000, 200_000}[seed%4]
		c := NewClient(here, &Config{Window: window, MaxWindow: window})
		ran := make(chan error, 1)
		go func() {
			ran <- c.Run(context.Background())
			_ = here.Close()
		}()
		m := &serverModel{model: newModel(newRaw(t, chanio.AsNetConn(there)), seed), c: c, asked: map[uint32]*query{}}
		defer func() {
			there.Abort(nil)
			<-ran
			<-here.Done()
			m.runs.Wait()
		}()
		_, err := io.ReadFull(m.nc, make([]byte, len(frames.ClientPreface)))
		m.ok(err)
		go m.listen()
		m.ok(m.fr.WriteSettings())
		m.ok(m.fr.WriteSettingsAck())
		m.come()
		for range 200 {
			m.step()
			m.come()
			require.Nil(t, m.goAway)
		}
		m.finish()
		x := wrong[m.rnd.IntN(len(wrong))]
		id := x.breaks(m)
		m.come()
		if id != 0 {
			require.Nil(t, m.goAway, x.name)
			require.Equal(t, x.code, m.resets[id], x.name)
			require.Equal(t, Code(x.code), codeOf(m.asked[id].err), x.name)
			return
		}
		require.NotNil(t, m.goAway, x.name)
		require.Equal(t, x.code, m.goAway.code, "%s: %s", x.name, m.goAway.data)
	})
}

func (m *serverModel) step() {
	switch x := m.rnd.IntN(10); {
	case x < 2 && len(m.open) < 50:
		m.ask()
	case x < 4:
		if s := m.one(func(s *modelStream) bool { return !s.headed }); s != nil {
			m.writeHead(s)
		}
	case x < 7:
		if s := m.one(func(s *modelStream) bool { return s.headed && !s.sentEnd }); s != nil {
			m.writeData(s)
		}
	case x == 7 && m.rnd.IntN(4) == 0:
		if s := m.one(func(*modelStream) bool { return true }); s != nil {
			m.ok(m.fr.WriteRSTStream(s.id, frames.ErrCodeInternal))
			s.cancelled = true
		}
	default:
		m.play()
	}
}

// ask makes the client open a stream, send a body and read the response.
func (m *serverModel) ask() *modelStream {
	a := &query{}
	fields := get("/")
	post := m.rnd.IntN(2) == 0
	if post {
		a.size = m.rnd.IntN(3) * m.rnd.IntN(60_000)
		fields = request("POST", "/")
	}
	piece := m.rnd.IntN(a.size+1) + 1
	s, err := m.c.Open(context.Background(), fields, !post)
	m.ok(err)
	x := m.add(s.ID())
	x.size = m.rnd.IntN(3) * m.rnd.IntN(60_000)
	m.asked[s.ID()] = a
	if post {
		m.runs.Go(func() { a.sendErr = sendPattern(s, a.size, piece) })
	}
	m.runs.Go(func() { a.read(s) })
	m.come()
	return x
}

func sendPattern(s *Stream, size, piece int) error {
	body := patternOf(s.ID(), 0, size)
	for ; len(body) > piece; body = body[piece:] {
		if err := s.Out.Send(context.Background(), body[:piece]); err != nil {
			return err
		}
	}
	return s.Out.Finish(context.Background(), body, []Field{{Name: "trailer", Value: strconv.Itoa(size)}})
}

func (a *query) read(s *Stream) {
	for {
		h, err := s.Head(context.Background())
		if err != nil {
			a.err = err
			return
		}
		a.heads++
		if !h.Informational() {
			a.status = strconv.Itoa(h.Status)
			break
		}
	}
	all, err := io.ReadAll(reader{&s.In})
	a.body, a.err, a.trailer = string(all), err, valueOf(s.Trailers(), "trailer")
}

// writeHead sends a head, or sometimes an informational one.
func (m *serverModel) writeHead(s *modelStream) {
	if m.rnd.IntN(3) == 0 && len(s.heads) < 20 {
		m.writeBlock(s.id, false, []Field{{Name: ":status", Value: "103"}, {Name: "link", Value: "</x>"}})
		return
	}
	fields := []Field{{Name: ":status", Value: "200"}}
	if m.rnd.IntN(2) == 0 {
		fields = append(fields, Field{Name: "content-length", Value: strconv.Itoa(s.size)})
	}
	s.sentEnd = s.size == 0 && m.rnd.IntN(2) == 0
	s.headed = true
	m.writeBlock(s.id, s.sentEnd, fields)
}

// finish answers the remaining requests, opens the windows, and checks what the client has received.
func (m *serverModel) finish() {
	m.t.Helper()
	for round := 0; len(m.open) > 0; round++ {
		require.Less(m.t, round, 3000, "streams that do not end")
		m.ok(m.fr.WriteWindowUpdate(0, 1<<20))
		m.recv += 1 << 20
		for _, s := range m.open {
			if !s.recvEnd {
				m.ok(m.fr.WriteWindowUpdate(s.id, 1<<18))
				s.recv += 1 << 18
			}
			if !s.headed {
				m.writeHead(s)
			} else if !s.sentEnd {
				m.writeData(s)
			}
		}
		m.come()
	}
	for id, s := range m.streams {
		a := m.asked[id]
		what := fmt.Sprintf("stream %d: %+v", id, a.err)
		require.False(m.t, m.wasReset(id), what)
		if s.cancelled {
			continue
		}
		require.NoError(m.t, a.err, what)
		require.NoError(m.t, a.sendErr, what)
		require.Equal(m.t, "200", a.status, what)
		require.Len(m.t, a.body, s.size, what)
		require.True(m.t, isPattern(id, []byte(a.body)), what)
		require.Len(m.t, s.body, a.size, what)
		require.True(m.t, isPattern(id, s.body), what)
	}
}

// wrongdoing is a violation of a rule by a server.
type wrongdoing struct {
	name   string
	code   frames.ErrCode
	breaks func(m *serverModel) (stream uint32)
}

// answers violates a rule with header blocks instead of a response.
func answers(lists ...[]Field) func(m *serverModel) uint32 {
	return func(m *serverModel) uint32 {
		s := m.ask()
		for i, fields := range lists {
			_ = m.headers(s.id, i > 0, fields)
		}
		return s.id
	}
}

func wrongly(f func(m *serverModel) error) func(m *serverModel) uint32 {
	return func(m *serverModel) uint32 { _ = f(m); return 0 }
}

func status(code string, more ...Field) []Field {
	return append([]Field{{Name: ":status", Value: code}}, more...)
}

var wrong = []wrongdoing{
	{"HEADERS, idle", frames.ErrCodeProtocol, wrongly(func(m *serverModel) error { return m.headers(9999, true, ok200) })},
	{"HEADERS, even", frames.ErrCodeProtocol, wrongly(func(m *serverModel) error { return m.headers(2, true, ok200) })},
	{"DATA, idle", frames.ErrCodeProtocol, wrongly(func(m *serverModel) error { return m.fr.WriteData(9999, true, nil) })},
	{"PUSH_PROMISE", frames.ErrCodeProtocol, wrongly(func(m *serverModel) error {
		return m.fr.WritePushPromise(frames.PushPromiseParam{StreamID: m.ask().id, PromiseID: 2, BlockFragment: m.encode(get("/")), EndHeaders: true})
	})},
	{"ENABLE_PUSH", frames.ErrCodeProtocol, wrongly(func(m *serverModel) error {
		return m.fr.WriteSettings(frames.Setting{ID: frames.SettingEnablePush, Val: 1})
	})},
	{"PRIORITY_UPDATE", frames.ErrCodeProtocol, wrongly(func(m *serverModel) error { return m.fr.WritePriorityUpdate(1, "u=1") })},
	{"window of the connection too large", frames.ErrCodeFlowControl, wrongly(func(m *serverModel) error {
		return m.overflow(0, m.recv)
	})},
	{"HPACK of nothing", frames.ErrCodeCompression, wrongly(func(m *serverModel) error {
		return m.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: m.ask().id, BlockFragment: []byte{0x80}, EndHeaders: true})
	})},
	{"DATA before a head", frames.ErrCodeProtocol, func(m *serverModel) uint32 {
		s := m.ask()
		_ = m.fr.WriteData(s.id, false, []byte("x"))
		return s.id
	}},
	{"DATA behind an informational head", frames.ErrCodeProtocol, func(m *serverModel) uint32 {
		s := m.ask()
		_ = m.headers(s.id, false, status("103"))
		_ = m.fr.WriteData(s.id, false, []byte("x"))
		return s.id
	}},
	{"no status", frames.ErrCodeProtocol, answers([]Field{{Name: "x", Value: "y"}})},
	{"status twice", frames.ErrCodeProtocol, answers(status("200", Field{Name: ":status", Value: "200"}))},
	{"status 101", frames.ErrCodeProtocol, answers(status("101"))},
	{"status of two digits", frames.ErrCodeProtocol, answers(status("99"))},
	{"field of a connection", frames.ErrCodeProtocol, answers(status("200", Field{Name: "connection", Value: "close"}))},
	{"upper case", frames.ErrCodeProtocol, answers(status("200", Field{Name: "X", Value: "y"}))},
	{"two lengths", frames.ErrCodeProtocol, answers(status("200", Field{Name: "content-length", Value: "1"}, Field{Name: "content-length", Value: "1"}))},
	{"shorter than its length", frames.ErrCodeProtocol, answers(status("200", Field{Name: "content-length", Value: "1"}), []Field{{Name: "x", Value: "y"}})},
	{"second head", frames.ErrCodeProtocol, answers(ok200, ok200)},
	{"window of a stream too large", frames.ErrCodeFlowControl, func(m *serverModel) uint32 {
		s := m.ask()
		for !s.recvEnd { // the client must not use what it receives
			s = m.ask()
		}
		_ = m.overflow(s.id, s.recv)
		return s.id
	}},
	{"more than the window of a stream", frames.ErrCodeFlowControl, func(m *serverModel) uint32 {
		m.ok(m.fr.WriteSettings(frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: 1000}))
		synctest.Wait()
		s, err := m.c.Open(context.Background(), get("/"), true)
		m.ok(err)
		a := &query{}
		m.asked[s.ID()] = a
		x := m.add(s.ID())
		m.ok(m.headers(x.id, false, ok200))
		for left := x.send + 1; left > 0; left -= 16 << 10 {
			m.ok(m.fr.WriteData(x.id, false, make([]byte, min(left, 16<<10))))
		}
		m.come()
		a.read(s)
		return x.id
	}},
}
