package http2

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// model is a raw peer that tracks what it may send and what it may receive. It plays at random and predicts the result.
type model struct {
	*raw
	rnd     *rand.Rand
	dec     *hpack.Decoder
	arrived []frame // not yet checked by come

	streams map[uint32]*modelStream
	open    []*modelStream // not ended, by id
	send    int64          // windows: what this side may send
	recv    int64          // what this side may receive
	send0   int64          // the initial windows of streams
	recv0   int64
	goAway  *frame
	resets  map[uint32]frames.ErrCode // resets by the other side
}

// modelStream is a stream in a model.
type modelStream struct {
	id               uint32
	send, recv       int64
	sentEnd, recvEnd bool
	cancelled        bool // this side has reset it
	headed           bool // this side has sent a head
	sent             int  // bytes of DATA
	size             int  // bytes of DATA to send
	heads            [][]Field
	body             []byte
	trailers         []Field
}

// frame is a received frame.
type frame struct {
	frames.FrameHeader
	data   []byte
	code   frames.ErrCode
	number uint32 // an increment
	set    []frames.Setting
}

func newModel(r *raw, seed uint64) *model {
	return &model{
		raw: r, rnd: rand.New(rand.NewPCG(seed, 1)), dec: hpack.NewDecoder(4096, nil), streams: map[uint32]*modelStream{},
		send: defaultWindow, recv: defaultWindow, send0: defaultWindow, recv0: defaultWindow, resets: map[uint32]frames.ErrCode{},
	}
}

// modelSeeds returns a range of a few seeds. The variable MODEL_SEEDS, in the form count/first, overrides it.
func modelSeeds() (from, to uint64) {
	n, at := 6, 0
	if v := os.Getenv("MODEL_SEEDS"); v != "" {
		count, first, _ := bytes.Cut([]byte(v), []byte("/"))
		n, _ = strconv.Atoi(string(count))
		at, _ = strconv.Atoi(string(first))
	}
	return uint64(at), uint64(at + n)
}

// listen records the received frames.
func (m *model) listen() {
	for {
		f, err := m.fr.ReadFrame()
		m.mu.Lock()
		if err != nil {
			m.over = true
			m.mu.Unlock()
			return
		}
		m.arrived = append(m.arrived, m.copyOf(f))
		m.mu.Unlock()
	}
}

func (m *model) copyOf(f frames.Frame) frame {
	x := frame{FrameHeader: f.Header()}
	switch f := f.(type) {
	case *frames.HeadersFrame:
		x.data = bytes.Clone(f.HeaderBlockFragment())
	case *frames.ContinuationFrame:
		x.data = bytes.Clone(f.HeaderBlockFragment())
	case *frames.DataFrame:
		x.data = bytes.Clone(f.Data())
	case *frames.RSTStreamFrame:
		x.code = f.ErrCode
	case *frames.GoAwayFrame:
		x.code, x.data = f.ErrCode, bytes.Clone(f.DebugData())
	case *frames.WindowUpdateFrame:
		x.number = f.Increment
	case *frames.PingFrame:
		x.data = bytes.Clone(f.Data[:])
	case *frames.SettingsFrame:
		for i := range f.NumSettings() {
			x.set = append(x.set, f.Setting(i))
		}
	}
	return x
}

// come checks all frames received since its last call.
func (m *model) come() {
	m.t.Helper()
	synctest.Wait()
	m.mu.Lock()
	arrived := m.arrived
	m.arrived = nil
	m.mu.Unlock()
	for i := range arrived {
		m.take(&arrived[i])
	}
	for i := 0; i < len(m.open); {
		if s := m.open[i]; s.cancelled || s.sentEnd && s.recvEnd || m.wasReset(s.id) {
			m.open = append(m.open[:i], m.open[i+1:]...)
			continue
		}
		i++
	}
}

func (m *model) wasReset(id uint32) bool { _, was := m.resets[id]; return was }

func (m *model) take(f *frame) {
	m.t.Helper()
	s := m.streams[f.StreamID]
	switch f.Type {
	case frames.FrameSettings:
		for _, x := range f.set {
			if x.ID == frames.SettingInitialWindowSize {
				m.changeSendWindows(int64(x.Val))
			}
		}
	case frames.FrameWindowUpdate:
		require.NotZero(m.t, f.number)
		if f.StreamID == 0 {
			m.send += int64(f.number)
			require.LessOrEqual(m.t, m.send, int64(maxWindow))
			return
		}
		require.NotNil(m.t, s)
		s.send += int64(f.number)
		require.LessOrEqual(m.t, s.send, int64(maxWindow))
	case frames.FrameData:
		m.takeData(s, f)
	case frames.FrameHeaders:
		require.NotNil(m.t, s, "HEADERS %d", f.StreamID)
		require.True(m.t, f.Flags.Has(frames.FlagHeadersEndHeaders))
		fields, err := m.dec.DecodeFull(f.data)
		m.ok(err)
		require.False(m.t, s.recvEnd || m.wasReset(s.id), "HEADERS behind the end of %d", s.id)
		if len(fields) > 0 && fields[0].Name[0] == ':' {
			s.heads = append(s.heads, fields)
		} else {
			s.trailers = fields
			require.True(m.t, f.Flags.Has(frames.FlagHeadersEndStream))
		}
		s.recvEnd = f.Flags.Has(frames.FlagHeadersEndStream)
	case frames.FrameRSTStream:
		require.False(m.t, m.wasReset(f.StreamID), "%d reset twice", f.StreamID)
		m.resets[f.StreamID] = f.code
	case frames.FrameGoAway:
		m.goAway = f
	}
}

func (m *model) takeData(s *modelStream, f *frame) {
	m.t.Helper()
	require.NotNil(m.t, s, "DATA %d", f.StreamID)
	require.False(m.t, s.recvEnd || m.wasReset(s.id), "DATA behind the end of %d", s.id)
	require.NotEmpty(m.t, s.heads, "DATA before the head of %d", s.id)
	if n := int64(f.Length); n > 0 {
		m.recv -= n
		s.recv -= n
		require.GreaterOrEqual(m.t, m.recv, int64(0), "more than the window of the connection")
		require.GreaterOrEqual(m.t, s.recv, int64(0), "more than the window of %d", s.id)
	}
	s.body = append(s.body, f.data...)
	s.recvEnd = f.Flags.Has(frames.FlagDataEndStream)
}

func (m *model) changeSendWindows(to int64) {
	for _, s := range m.streams {
		s.send += to - m.send0
	}
	m.send0 = to
}

// add adds a stream that was opened by either side.
func (m *model) add(id uint32) *modelStream {
	s := &modelStream{id: id, send: m.send0, recv: m.recv0}
	m.streams[id] = s
	m.open = append(m.open, s)
	return s
}

// one returns an open stream that fits, or nil.
func (m *model) one(fits func(s *modelStream) bool) *modelStream {
	if len(m.open) == 0 {
		return nil
	}
	at := m.rnd.IntN(len(m.open))
	for i := range m.open {
		if s := m.open[(at+i)%len(m.open)]; fits(s) {
			return s
		}
	}
	return nil
}

// writeBlock sends a header block, with or without padding, a priority and CONTINUATION frames.
func (m *model) writeBlock(id uint32, end bool, fields []Field) {
	block := bytes.Clone(m.encode(fields))
	first := len(block)
	if m.rnd.IntN(3) == 0 {
		first = m.rnd.IntN(len(block) + 1)
	}
	p := frames.HeadersFrameParam{StreamID: id, BlockFragment: block[:first], EndStream: end, EndHeaders: first == len(block)}
	if m.rnd.IntN(4) == 0 {
		p.PadLength = uint8(m.rnd.IntN(256))
	}
	if m.rnd.IntN(4) == 0 {
		p.Priority = frames.PriorityParam{StreamDep: id + 2, Weight: uint8(m.rnd.IntN(256))}
	}
	m.ok(m.fr.WriteHeaders(p))
	rest := block[first:]
	for parts := 1; !p.EndHeaders; parts++ {
		n := m.rnd.IntN(len(rest) + 1)
		p.EndHeaders = parts == 8 || n == len(rest) && m.rnd.IntN(2) == 0
		if p.EndHeaders {
			n = len(rest)
		}
		m.ok(m.fr.WriteContinuation(id, p.EndHeaders, rest[:n]))
		rest = rest[n:]
	}
}

// writeData sends a piece of the body of s that the windows allow, with END_STREAM if it is the last. The end may be
// left to trailers.
func (m *model) writeData(s *modelStream) {
	padding := 0
	if m.rnd.IntN(4) == 0 {
		padding = m.rnd.IntN(50) + 1 // including the length byte
	}
	n := int(min(int64(s.size-s.sent), s.send-int64(padding), m.send-int64(padding), 16<<10-int64(padding)))
	if n < 0 {
		return
	}
	if n > 0 && m.rnd.IntN(2) == 0 {
		n = m.rnd.IntN(n + 1)
	}
	end := s.sent+n == s.size && m.rnd.IntN(2) == 0
	p := patternOf(s.id, s.sent, n)
	if padding > 0 {
		m.ok(m.fr.WriteDataPadded(s.id, end, p, make([]byte, padding-1)))
	} else {
		m.ok(m.fr.WriteData(s.id, end, p))
	}
	s.sent += n
	s.send -= int64(n + padding)
	m.send -= int64(n + padding)
	if s.sent == s.size && !end && m.rnd.IntN(2) == 0 {
		m.writeBlock(s.id, true, []Field{{Name: "trailer", Value: strconv.Itoa(int(s.id))}})
		end = true
	}
	s.sentEnd = end
}

// play sends something that is legal in any state.
func (m *model) play() {
	switch m.rnd.IntN(8) {
	case 0:
		n := uint32(m.rnd.IntN(30_000) + 1)
		m.ok(m.fr.WriteWindowUpdate(0, n))
		m.recv += int64(n)
	case 1, 2:
		if s := m.one(func(*modelStream) bool { return true }); s != nil {
			n := uint32(m.rnd.IntN(30_000) + 1)
			m.ok(m.fr.WriteWindowUpdate(s.id, n))
			s.recv += int64(n)
		}
	case 3:
		to := uint32(m.rnd.IntN(3) * m.rnd.IntN(40_000))
		m.ok(m.fr.WriteSettings(frames.Setting{ID: frames.SettingHeaderTableSize, Val: uint32(m.rnd.IntN(2) * 4096)}, // x/net accepts two changes only if one empties the table
			frames.Setting{ID: frames.SettingInitialWindowSize, Val: to}))
		for _, s := range m.streams {
			s.recv += int64(to) - m.recv0
		}
		m.recv0 = int64(to)
	case 4:
		m.ok(m.fr.WritePing(false, [8]byte(binary.BigEndian.AppendUint64(nil, m.rnd.Uint64()))))
	case 5:
		m.ok(m.fr.WritePriority(uint32(m.rnd.IntN(50)*2+1), frames.PriorityParam{StreamDep: uint32(m.rnd.IntN(50) * 2)}))
	case 6:
		m.ok(m.fr.WriteRawFrame(0xee, frames.Flags(m.rnd.IntN(256)), uint32(m.rnd.IntN(9)), make([]byte, m.rnd.IntN(99))))
	case 7:
		for id := range m.streams { // including ended ones
			if m.streams[id].sentEnd {
				m.ok(m.fr.WriteWindowUpdate(id, 1))
				m.streams[id].recv++
				break
			}
		}
	}
}

// patternOf returns the content of the bodies of a stream.
func patternOf(id uint32, from, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(int(id)*31 + (from+i)*7 + (from+i)>>8)
	}
	return p
}

func isPattern(id uint32, p []byte) bool { return bytes.Equal(p, patternOf(id, 0, len(p))) }

func valueOf(fields []Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// eachSeed runs test in a synctest bubble for each seed.
func eachSeed(t *testing.T, test func(t *testing.T, seed uint64)) {
	from, to := modelSeeds()
	for seed := from; seed < to; seed++ {
		t.Run(strconv.Itoa(int(seed)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, seed) })
		})
	}
}

// overflow increments a window, of a stream or the connection, whose size is open, to one more than the maximum.
func (m *model) overflow(id uint32, open int64) error {
	for more := maxWindow + 1 - open; more > 0; {
		n := min(more, 1<<30)
		if err := m.fr.WriteWindowUpdate(id, uint32(n)); err != nil {
			return err
		}
		more -= n
		if s := m.streams[id]; s != nil {
			s.recv += n
		} else {
			m.recv += n
		}
	}
	return nil
}
