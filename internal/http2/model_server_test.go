package http2

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
)

// playServer answers as the path requests: /order/size, or /hang, which blocks until the stream ends.
func playServer(x *exchange) {
	order, size, _ := strings.Cut(strings.TrimPrefix(x.request.Path, "/"), "/")
	n, _ := strconv.Atoi(size)
	body, ctx := patternOf(x.ID(), 0, n), context.Background()
	trailers := []Field{{Name: "trailer", Value: size}}
	switch order {
	case "hang":
		<-x.gone
	case "read": // reads everything and describes it in the field got
		in, err := x.readAll()
		if err != nil {
			return
		}
		got := fmt.Sprint(len(in), isPattern(x.ID(), []byte(in)), valueOf(x.Trailers(), "trailer"))
		_ = x.Out.Respond(ctx, []Field{{Name: ":status", Value: "200"}, {Name: "got", Value: got}}, body, true, nil)
	case "early": // a response in pieces, with trailers
		_ = x.Out.Headers(ctx, []Field{{Name: ":status", Value: "103"}})
		_ = x.Out.Headers(ctx, ok200)
		for piece := n/3 + 1; len(body) > piece; body = body[piece:] {
			if x.Out.Send(ctx, body[:piece]) != nil {
				return
			}
		}
		_ = x.Out.Finish(ctx, body, trailers)
	case "close": // closes the body
		_ = x.In.Close()
		_ = x.Out.Respond(ctx, ok200, body, true, trailers)
	case "echo":
		_ = x.Out.Headers(ctx, ok200)
		for {
			p, err := x.In.Next(ctx)
			if err == io.EOF {
				_ = x.Out.Finish(ctx, nil, nil)
			}
			if err != nil || x.Out.Send(ctx, p) != nil {
				return
			}
		}
	}
}

// clientModel is a model of a client.
type clientModel struct {
	*model
	next   uint32
	orders map[uint32]string
}

// TestServerAnswersARandomClient plays legal frames, with windows of all sizes, and checks every response. It then
// plays an illegal one.
func TestServerAnswersARandomClient(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		here, there := chanio.Pipe()
		window := []int{0, 1000, 20_000, 200_000}[seed%4]
		server := NewServer(here, chanio.BytesOf(here.In), serveFunc(playServer), &Config{Window: window, MaxWindow: window})
		served := make(chan error, 1)
		go func() {
			served <- server.Serve(context.Background())
			_ = here.Close()
		}()
		defer func() {
			there.Abort(nil)
			<-served
			<-here.Done()
		}()
		m := &clientModel{model: newModel(newRaw(t, chanio.AsNetConn(there)), seed), next: 1, orders: map[uint32]string{}}
		go m.listen()
		_, _ = io.WriteString(m.nc, frames.ClientPreface)
		m.ok(m.fr.WriteSettings())
		m.ok(m.fr.WriteSettingsAck())
		m.come()
		for range 150 {
			m.step()
			m.come()
			require.Nil(t, m.goAway)
		}
		m.finish()
		m.breakRule(illegal[m.rnd.IntN(len(illegal))])
	})
}

// step plays one random action.
func (m *clientModel) step() {
	switch x := m.rnd.IntN(10); {
	case x < 2:
		m.begin([]string{"read", "early", "close", "echo"}[m.rnd.IntN(4)])
	case x < 6:
		if s := m.one(func(s *modelStream) bool { return !s.sentEnd }); s != nil {
			m.writeData(s)
		}
	case x == 6 && m.rnd.IntN(3) == 0:
		if s := m.one(func(*modelStream) bool { return true }); s != nil {
			m.ok(m.fr.WriteRSTStream(s.id, frames.ErrCodeCancel))
			s.cancelled = true
		}
	case x == 7:
		m.ok(m.fr.WritePriorityUpdate(uint32(m.rnd.IntN(50)*2+1), []string{"u=0", "u=7, i", "i=?0"}[m.rnd.IntN(3)]))
	default:
		m.play()
	}
}

// begin opens a stream.
func (m *clientModel) begin(order string) *modelStream {
	s := m.add(m.next)
	m.next += 2 * uint32(m.rnd.IntN(3)+1)
	size := m.rnd.IntN(3) * m.rnd.IntN(60_000)
	path := "/" + order + "/" + strconv.Itoa(m.rnd.IntN(4)*m.rnd.IntN(60_000))
	fields, end := get(path), m.rnd.IntN(3) == 0
	if !end {
		fields = request("POST", path)
		s.size = size
		if m.rnd.IntN(2) == 0 {
			fields = append(fields, Field{Name: "content-length", Value: strconv.Itoa(size)})
		}
	}
	m.writeBlock(s.id, end, fields)
	s.sentEnd = end
	m.orders[s.id] = path
	return s
}

// finish opens the windows, completes the requests in progress, and checks every response.
func (m *clientModel) finish() {
	m.t.Helper()
	for round := 0; len(m.open) > 0; round++ {
		require.Less(m.t, round, 2000, "streams that do not end")
		m.ok(m.fr.WriteWindowUpdate(0, 1<<20))
		m.recv += 1 << 20
		for _, s := range m.open {
			m.ok(m.fr.WriteWindowUpdate(s.id, 1<<18))
			s.recv += 1 << 18
			if !s.sentEnd {
				m.writeData(s)
			}
		}
		m.come()
	}
	for id, s := range m.streams {
		if code, was := m.resets[id]; was {
			closed := strings.HasPrefix(m.orders[id], "/close") || strings.HasPrefix(m.orders[id], "/early")
			require.True(m.t, code == frames.ErrCodeNo && closed && s.recvEnd, "%d %s reset with %v", id, m.orders[id], code)
		}
		if !s.cancelled {
			m.check(s)
		}
	}
}

// check compares a response with its order.
func (m *clientModel) check(s *modelStream) {
	m.t.Helper()
	order, size, _ := strings.Cut(m.orders[s.id][1:], "/")
	what := fmt.Sprintf("stream %d: %s", s.id, m.orders[s.id])
	require.True(m.t, s.recvEnd, what)
	require.Equal(m.t, "200", valueOf(s.heads[len(s.heads)-1], ":status"), what)
	require.True(m.t, isPattern(s.id, s.body), what)
	if order == "echo" {
		require.Len(m.t, s.body, s.sent, what)
		return
	}
	require.Equal(m.t, size, strconv.Itoa(len(s.body)), what)
	switch order {
	case "early":
		require.Len(m.t, s.heads, 2, what)
		require.Equal(m.t, size, valueOf(s.trailers, "trailer"), what)
	case "close":
		require.Equal(m.t, size, valueOf(s.trailers, "trailer"), what)
	case "read":
		require.Contains(m.t, valueOf(s.heads[0], "got"), fmt.Sprint(s.sent, " true"), what)
	}
}

// rule is a rule that a client breaks. The server must reply with RST_STREAM for the stream that breaks returns, or
// with GOAWAY if that is 0.
type rule struct {
	name   string
	code   frames.ErrCode
	breaks func(m *clientModel) (stream uint32)
}

// sends returns a violation by a raw frame.
func sends(kind frames.FrameType, flags frames.Flags, id uint32, size int) func(m *clientModel) uint32 {
	return func(m *clientModel) uint32 {
		_ = m.fr.WriteRawFrame(kind, flags, id, make([]byte, size))
		return 0
	}
}

func sets(id frames.SettingID, value uint32) func(m *clientModel) uint32 {
	return func(m *clientModel) uint32 {
		_ = m.fr.WriteSettings(frames.Setting{ID: id, Val: value})
		return 0
	}
}

// behind returns a violation on a stream that this side has ended and that has a running handler.
func behind(f func(m *clientModel, id uint32) error) func(m *clientModel) uint32 {
	return func(m *clientModel) uint32 {
		id := m.hang(true)
		_ = f(m, id)
		return id
	}
}

func (m *clientModel) hang(end bool) uint32 {
	s := m.add(m.next)
	m.next += 2
	m.ok(m.headers(s.id, end, request("POST", "/hang")))
	m.come()
	return s.id
}

// overOne returns a stream that has ended on both sides.
func (m *clientModel) overOne() uint32 {
	s := m.add(m.next)
	m.next += 2
	m.ok(m.headers(s.id, true, get("/read/0")))
	m.come()
	return s.id
}

var illegal = []rule{
	{"DATA, idle", frames.ErrCodeProtocol, func(m *clientModel) uint32 { _ = m.fr.WriteData(m.next, false, nil); return 0 }},
	{"RST_STREAM, idle", frames.ErrCodeProtocol, func(m *clientModel) uint32 { _ = m.fr.WriteRSTStream(m.next, 8); return 0 }},
	{"WINDOW_UPDATE, idle", frames.ErrCodeProtocol, func(m *clientModel) uint32 { _ = m.fr.WriteWindowUpdate(m.next, 8); return 0 }},
	{"even id", frames.ErrCodeProtocol, func(m *clientModel) uint32 { _ = m.headers(m.next+1, true, get("/")); return 0 }},
	{"HEADERS, over", frames.ErrCodeStreamClosed, func(m *clientModel) uint32 { _ = m.headers(m.overOne(), true, get("/")); return 0 }},
	{"id passed over", frames.ErrCodeProtocol, func(m *clientModel) uint32 {
		m.next += 2
		m.overOne()
		_ = m.headers(m.next-4, true, get("/"))
		return 0
	}},
	{"no CONTINUATION", frames.ErrCodeProtocol, func(m *clientModel) uint32 {
		_ = m.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: m.next, BlockFragment: m.encode(get("/"))})
		_ = m.fr.WritePing(false, [8]byte{})
		return 0
	}},
	{"only CONTINUATION", frames.ErrCodeProtocol, sends(frames.FrameContinuation, 0, 1, 0)},
	{"short PING", frames.ErrCodeFrameSize, sends(frames.FramePing, 0, 0, 7)},
	{"PING of a stream", frames.ErrCodeProtocol, sends(frames.FramePing, 0, 1, 8)},
	{"SETTINGS of a stream", frames.ErrCodeProtocol, sends(frames.FrameSettings, 0, 1, 0)},
	{"uneven SETTINGS", frames.ErrCodeFrameSize, sends(frames.FrameSettings, 0, 0, 5)},
	{"acknowledgement with SETTINGS", frames.ErrCodeFrameSize, sends(frames.FrameSettings, 1, 0, 6)},
	{"short RST_STREAM", frames.ErrCodeFrameSize, sends(frames.FrameRSTStream, 0, 1, 3)},
	{"RST_STREAM of nothing", frames.ErrCodeProtocol, sends(frames.FrameRSTStream, 0, 0, 4)},
	{"empty WINDOW_UPDATE", frames.ErrCodeProtocol, sends(frames.FrameWindowUpdate, 0, 0, 4)},
	{"short WINDOW_UPDATE", frames.ErrCodeFrameSize, sends(frames.FrameWindowUpdate, 0, 0, 3)},
	{"GOAWAY of a stream", frames.ErrCodeProtocol, sends(frames.FrameGoAway, 0, 1, 8)},
	{"DATA of nothing", frames.ErrCodeProtocol, sends(frames.FrameData, 0, 0, 1)},
	{"HEADERS of nothing", frames.ErrCodeProtocol, sends(frames.FrameHeaders, 4, 0, 1)},
	{"PUSH_PROMISE", frames.ErrCodeProtocol, sends(frames.FramePushPromise, 4, 1, 4)},
	{"too long", frames.ErrCodeFrameSize, sends(frames.FrameData, 0, 1, 16<<10+1)},
	{"too long, unknown", frames.ErrCodeFrameSize, sends(0xee, 0, 0, 16<<10+1)},
	{"HPACK of nothing", frames.ErrCodeCompression, func(m *clientModel) uint32 {
		_ = m.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: m.next, BlockFragment: []byte{0x80}, EndHeaders: true})
		return 0
	}},
	{"HPACK table too large", frames.ErrCodeCompression, func(m *clientModel) uint32 {
		_ = m.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: m.next, BlockFragment: []byte{0x3f, 0xe2, 0x1f}, EndHeaders: true})
		return 0
	}},
	{"ENABLE_PUSH 2", frames.ErrCodeProtocol, sets(frames.SettingEnablePush, 2)},
	{"MAX_FRAME_SIZE 1", frames.ErrCodeProtocol, sets(frames.SettingMaxFrameSize, 1)},
	{"window too large", frames.ErrCodeFlowControl, sets(frames.SettingInitialWindowSize, 1<<31)},
	{"all windows too large", frames.ErrCodeFlowControl, func(m *clientModel) uint32 {
		id := m.hang(true)
		_ = m.overflow(id, m.streams[id].recv+1) // the largest possible
		return sets(frames.SettingInitialWindowSize, uint32(m.recv0)+1)(m)
	}},
	{"window of the connection too large", frames.ErrCodeFlowControl, func(m *clientModel) uint32 {
		_ = m.overflow(0, m.recv)
		return 0
	}},
	{"window of a stream too large", frames.ErrCodeFlowControl, behind(func(m *clientModel, id uint32) error {
		return m.overflow(id, m.streams[id].recv)
	})},
	{"empty WINDOW_UPDATE of a stream", frames.ErrCodeProtocol, behind(func(m *clientModel, id uint32) error {
		return m.fr.WriteRawFrame(frames.FrameWindowUpdate, 0, id, make([]byte, 4))
	})},
	{"DATA behind the end", frames.ErrCodeStreamClosed, behind(func(m *clientModel, id uint32) error { return m.fr.WriteData(id, false, nil) })},
	{"HEADERS behind the end", frames.ErrCodeStreamClosed, behind(func(m *clientModel, id uint32) error { return m.headers(id, true, get("/")) })},
	{"DATA, over", frames.ErrCodeStreamClosed, func(m *clientModel) uint32 {
		id := m.overOne()
		_ = m.fr.WriteData(id, true, nil)
		return id
	}},
	{"more than the window of a stream", frames.ErrCodeFlowControl, func(m *clientModel) uint32 {
		id := m.hang(false)
		for m.streams[id].send >= 0 && m.send > 16<<10 {
			n := min(m.streams[id].send+1, 16<<10)
			_ = m.fr.WriteData(id, false, make([]byte, n))
			m.streams[id].send -= n
			m.send -= n
		}
		return id
	}},
	{"padding too long", frames.ErrCodeProtocol, func(m *clientModel) uint32 {
		_ = m.fr.WriteRawFrame(frames.FrameData, 8, m.hang(false), []byte{3, 0, 0})
		return 0
	}},
	{"length that differs", frames.ErrCodeProtocol, func(m *clientModel) uint32 {
		s := m.add(m.next)
		_ = m.headers(s.id, false, request("POST", "/hang", "content-length", "3"))
		_ = m.fr.WriteData(s.id, true, []byte("xy"))
		m.next += 2
		return s.id
	}},
}

// breakRule breaks a rule and requires its consequence.
func (m *clientModel) breakRule(x rule) {
	m.t.Helper()
	if id := x.breaks(m); id != 0 {
		m.come()
		require.Nil(m.t, m.goAway, x.name)
		require.True(m.t, m.wasReset(id), x.name)
		require.Equal(m.t, x.code, m.resets[id], x.name)
		s := m.begin("early")
		m.finish2(s)
		return
	}
	m.come()
	require.NotNil(m.t, m.goAway, x.name)
	require.Equal(m.t, x.code, m.goAway.code, "%s: %s", x.name, m.goAway.data)
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	require.True(m.t, m.over, x.name)
}

// finish2 requires that another stream is served after one was reset.
func (m *clientModel) finish2(s *modelStream) {
	m.t.Helper()
	for round := 0; !s.recvEnd; round++ {
		require.Less(m.t, round, 2000)
		m.ok(m.fr.WriteWindowUpdate(0, 1<<16))
		m.recv += 1 << 16
		m.ok(m.fr.WriteWindowUpdate(s.id, 1<<16))
		s.recv += 1 << 16
		m.come()
	}
	m.check(s)
}
