package httpc

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framedScene is a scene over HTTP/2. Its reply is a list of frames.
type framedScene struct {
	scene
	steps []step
	once  bool // the first reply only; later ones are plain
}

// step is a frame of a reply. A nil one ends the connection.
type step func(f *frames.Framer, id uint32)

// headStep sends a header list.
func headStep(end bool, fields ...string) step {
	return func(f *frames.Framer, id uint32) { writeHead(f, id, end, fields...) }
}

// randomFramedScene returns a scene whose reply every client must understand in the same way.
func randomFramedScene(rnd *rand.Rand) framedScene {
	pick := func(all ...string) string { return all[rnd.IntN(len(all))] }
	one := func(in int) bool { return rnd.IntN(in) == 0 }
	base := randomScene(rnd)
	s := framedScene{scene: scene{
		method: base.method, size: base.size, sized: base.sized, again: base.again, expects: base.expects, close: base.close,
		trailer: base.trailer,
	}}
	switch rnd.IntN(14) {
	case 0:
		s.steps, s.once = []step{resets(frames.ErrCodeRefusedStream)}, true
		return s
	case 1:
		code := []frames.ErrCode{frames.ErrCodeCancel, frames.ErrCodeInternal, frames.ErrCodeNo}[rnd.IntN(3)]
		s.steps = []step{resets(code)}
		return s
	case 2:
		s.steps, s.once = []step{goesAway(0), nil}, true
		return s
	}
	if one(8) {
		s.steps = append(s.steps, func(f *frames.Framer, id uint32) { _ = f.WriteGoAway(id, frames.ErrCodeNo, nil) })
	}
	for range rnd.IntN(3) * rnd.IntN(2) {
		s.steps = append(s.steps, headStep(false, ":status", pick("102", "103"), "link", "</a>"))
	}
	status := pick("200", "200", "201", "204", "304", "404", "500")
	head := []string{":status", status, "x-a", strconv.Itoa(rnd.IntN(100))}
	for range rnd.IntN(4) {
		head = append(head, [][]string{{"x-b", "c"}, {"x-b", "d e"}, {"x-empty", ""}, {"set-cookie", "a=b"}, {"link", "\xff"}}[rnd.IntN(5)]...)
	}
	plain := long(rnd.IntN(2) * rnd.IntN(30<<10))
	if one(4) {
		plain = string(gzipped(plain))
		head = append(head, "content-encoding", pick("gzip", "gzip", "GZIP", "br"))
	}
	bare := s.method == "HEAD" || status == "204" || status == "304"
	if length := len(plain); one(2) && status != "204" && status != "304" {
		head = append(head, "content-length", strconv.Itoa(length))
	}
	if bare {
		plain = ""
	}
	trailers := one(4) && !bare
	if trailers && one(2) {
		head = append(head, "trailer", "X-T, X-U")
	}
	if plain == "" && !trailers && one(2) {
		s.steps = append(s.steps, headStep(true, head...))
		return s
	}
	s.steps = append(s.steps, headStep(false, head...))
	s.addBody(rnd, plain, trailers)
	return s
}

// addBody adds the frames of a body, which may end too early.
func (s *framedScene) addBody(rnd *rand.Rand, plain string, trailers bool) {
	broken := rnd.IntN(6)
	for plain != "" {
		n := 1 + rnd.IntN(min(len(plain), 16<<10))
		piece, pad := []byte(plain[:n]), make([]byte, rnd.IntN(2)*rnd.IntN(50))
		if plain = plain[n:]; plain == "" && broken < 2 {
			if broken == 0 {
				s.steps = append(s.steps, resets([]frames.ErrCode{frames.ErrCodeInternal, frames.ErrCodeCancel, frames.ErrCodeNo}[rnd.IntN(3)]))
			} else {
				s.steps = append(s.steps, nil)
			}
			return
		}
		end := plain == "" && !trailers && rnd.IntN(2) == 0
		s.steps = append(s.steps, func(f *frames.Framer, id uint32) { _ = f.WriteDataPadded(id, end, piece, pad) })
		if end {
			return
		}
	}
	if trailers {
		s.steps = append(s.steps, headStep(true, "x-t", "1", "x-t", "2"))
	} else {
		s.steps = append(s.steps, func(f *frames.Framer, id uint32) { _ = f.WriteData(id, true, nil) })
	}
}

// framedStage is a server that plays framed scenes by the path of requests, and records what it receives.
type framedStage struct {
	scenes []framedScene

	mu   sync.Mutex
	seen map[int]int // requests by scene
	log  []string
}

// heard is what has arrived of a request.
type heard struct {
	scene            int
	fields, trailers []string
	body             int
}

func (s *framedStage) serve(nc net.Conn, in *bufio.Reader) {
	if _, err := io.ReadFull(in, make([]byte, len(frames.ClientPreface))); err != nil {
		return
	}
	var out bytes.Buffer // the frames of a reply arrive together
	f := frames.NewFramer(&out, in)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = f.WriteSettings()
	open := map[uint32]*heard{}
	for {
		if _, err := out.WriteTo(nc); err != nil {
			return
		}
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		ended := false
		switch frame := frame.(type) {
		case *frames.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *frames.PingFrame:
			if !frame.IsAck() {
				_ = f.WritePing(true, frame.Data)
			}
		case *frames.MetaHeadersFrame:
			if open[frame.StreamID] == nil {
				open[frame.StreamID] = &heard{scene: -1}
			}
			open[frame.StreamID].add(f, frame)
			ended = frame.StreamEnded()
		case *frames.DataFrame:
			if n := len(frame.Data()); n > 0 {
				_ = f.WriteWindowUpdate(0, uint32(n))
				_ = f.WriteWindowUpdate(frame.StreamID, uint32(n))
			}
			if h := open[frame.StreamID]; h != nil {
				h.body += len(frame.Data())
				ended = frame.StreamEnded()
			}
		case *frames.RSTStreamFrame:
			delete(open, frame.StreamID)
		}
		if h := open[frame.Header().StreamID]; h != nil && ended {
			delete(open, frame.Header().StreamID)
			if !s.reply(h, f, frame.Header().StreamID) {
				_, _ = out.WriteTo(nc)
				return
			}
		}
	}
}

// add records the fields of a header block.
func (h *heard) add(f *frames.Framer, frame *frames.MetaHeadersFrame) {
	if h.scene >= 0 {
		for _, field := range frame.Fields {
			h.trailers = append(h.trailers, field.Name+": "+field.Value)
		}
		return
	}
	h.scene, _ = strconv.Atoi(frame.PseudoValue("path")[1:])
	for _, field := range frame.Fields {
		if field.Name != ":authority" {
			h.fields = append(h.fields, field.Name+": "+field.Value)
		}
		if field.Name == "expect" {
			writeHead(f, frame.StreamID, false, ":status", "100")
		}
	}
	slices.Sort(h.fields)
}

// reply plays a scene, and reports whether the connection stays.
func (s *framedStage) reply(h *heard, f *frames.Framer, id uint32) bool {
	s.mu.Lock()
	s.seen[h.scene]++
	again := s.seen[h.scene] > 1
	s.log = append(s.log, fmt.Sprintf("%d again=%v %q %d %q", h.scene, again, h.fields, h.body, h.trailers))
	s.mu.Unlock()
	c := &s.scenes[h.scene]
	if c.once && again {
		writeHead(f, id, true, ":status", "200")
		return true
	}
	for _, play := range c.steps {
		if play == nil {
			return false
		}
		play(f, id)
	}
	return true
}

// playFrames sends the requests of all scenes with rt, and returns what came back and what the server received.
func playFrames(t *testing.T, scenes []framedScene, rt http.RoundTripper) (results, log []string) {
	st := &framedStage{scenes: scenes, seen: map[int]int{}}
	s := raw(t, st.serve)
	for i := range scenes {
		results = append(results, strings.ReplaceAll(scenes[i].result(t, fmt.Sprint(s.url, "/", i), rt), s.url, ""))
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return results, st.log
}

// TestRandomScenesOverHTTP2AreThoseOfNetHTTP plays random scenes to this client and to that of net/http. Both must send
// the same requests, as often, and return the same responses.
func TestRandomScenesOverHTTP2AreThoseOfNetHTTP(t *testing.T) {
	overSeeds(t, func(t *testing.T, rnd *rand.Rand) {
		scenes := make([]framedScene, 12)
		for i := range scenes {
			scenes[i] = randomFramedScene(rnd)
		}
		standard := &http.Transport{ExpectContinueTimeout: testPatience, Protocols: h2c()}
		defer standard.CloseIdleConnections()
		want, wantLog := playFrames(t, scenes, standard)
		got, gotLog := playFrames(t, scenes, newClient(t, &Config{Proxy: Direct, ExpectTimeout: testPatience, Protocols: h2c()}))
		for i, s := range scenes {
			require.Equal(t, want[i], got[i], "%d: %+v", i, s.scene)
		}
		require.Equal(t, wantLog, gotLog)
	})
}
