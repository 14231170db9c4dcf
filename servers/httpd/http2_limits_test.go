package httpd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framePeer is a client that sends arbitrary frames and records the frames it receives.
type framePeer struct {
	t     *testing.T
	nc    net.Conn
	fr    *frames.Framer
	block bytes.Buffer
	enc   *hpack.Encoder

	mu   sync.Mutex
	got  []string
	over bool
}

// withFrames runs test in a synctest bubble with a server of cfg and a client that has sent its preface.
func withFrames(t *testing.T, handler http.HandlerFunc, cfg HTTP2Config, test func(p *framePeer)) {
	t.Helper()
	inBubble(t, handler, &Config{HTTP2: cfg}, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, in := dial()
		p := &framePeer{t: t, nc: nc, fr: frames.NewFramer(nc, in)}
		p.fr.AllowIllegalWrites, p.fr.AllowIllegalReads = true, true
		p.enc = hpack.NewEncoder(&p.block)
		read := make(chan struct{})
		go func() {
			defer close(read)
			p.read()
		}()
		defer func() {
			_ = nc.Close()
			<-read
		}()
		_, err := io.WriteString(nc, frames.ClientPreface)
		p.ok(err)
		p.ok(p.fr.WriteSettings())
		p.ok(p.fr.WriteSettingsAck())
		test(p)
	})
}

func (p *framePeer) ok(err error) {
	p.t.Helper()
	require.NoError(p.t, err)
}

// read records what the server sends, in words, until it closes the connection.
func (p *framePeer) read() {
	for {
		f, err := p.fr.ReadFrame()
		p.mu.Lock()
		if err != nil {
			p.over = true
			p.mu.Unlock()
			return
		}
		p.got = append(p.got, inWords(f))
		p.mu.Unlock()
	}
}

func inWords(f frames.Frame) string {
	text := fmt.Sprintf("%s %d", f.Header().Type, f.Header().StreamID)
	switch f := f.(type) {
	case *frames.SettingsFrame:
		_ = f.ForeachSetting(func(s frames.Setting) error {
			text += " " + s.String()
			return nil
		})
	case *frames.RSTStreamFrame:
		text += " " + f.ErrCode.String()
	case *frames.GoAwayFrame:
		text += " " + f.ErrCode.String()
	case *frames.WindowUpdateFrame:
		text += fmt.Sprintf(" %d", f.Increment)
	}
	return text + "\n"
}

// heard returns what was received, once nothing more arrives.
func (p *framePeer) heard() string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.got, "")
}

// lives requires the connection to be open.
func (p *framePeer) lives() {
	p.t.Helper()
	require.NotContains(p.t, p.heard(), "GOAWAY")
	require.False(p.t, p.ended())
}

// refused requires the connection to have ended with that error code.
func (p *framePeer) refused(code string) {
	p.t.Helper()
	require.Contains(p.t, p.heard(), "GOAWAY 0 "+code+"\n")
	require.True(p.t, p.ended())
}

func (p *framePeer) ended() bool {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// open sends the head of a request in a HEADERS frame followed by continuations CONTINUATION frames.
func (p *framePeer) open(id uint32, method string, continuations int) {
	p.t.Helper()
	p.block.Reset()
	for _, f := range ask2(method) {
		p.ok(p.enc.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value}))
	}
	p.ok(p.fr.WriteHeaders(frames.HeadersFrameParam{
		StreamID: id, BlockFragment: p.block.Bytes(), EndStream: method == "GET", EndHeaders: continuations == 0,
	}))
	for i := range continuations {
		p.ok(p.fr.WriteContinuation(id, i == continuations-1, nil))
	}
}

// untilGone is a handler that returns when its client has disconnected.
func untilGone(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func readBody(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

func TestMaxStreamsIsWhatTheConfigSays(t *testing.T) {
	var goOn chan struct{}
	handler := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
	}
	withFrames(t, handler, HTTP2Config{MaxStreams: 2}, func(p *framePeer) {
		goOn = make(chan struct{}, 1) // created in the bubble
		require.Contains(t, p.heard(), "[MAX_CONCURRENT_STREAMS = 2]")
		p.open(1, "GET", 0)
		p.open(3, "GET", 0)
		require.NotContains(t, p.heard(), "RST_STREAM")
		p.open(5, "GET", 0)
		require.Contains(t, p.heard(), "RST_STREAM 5 REFUSED_STREAM")
		goOn <- struct{}{}
		synctest.Wait()
		p.open(7, "GET", 0)
		require.Equal(t, 1, strings.Count(p.heard(), "RST_STREAM"))
		require.Equal(t, 1, strings.Count(p.heard(), "HEADERS"))
		p.lives()
	})
}

func TestMaxFrameIsWhatTheConfigSays(t *testing.T) {
	for most, cfg := range map[int]HTTP2Config{16 << 10: {MaxFrame: 1000}, 24 << 10: {MaxFrame: 24 << 10}} {
		withFrames(t, readBody, cfg, func(p *framePeer) {
			require.Contains(t, p.heard(), fmt.Sprintf("[MAX_FRAME_SIZE = %d]", most))
			p.open(1, "POST", 0)
			p.ok(p.fr.WriteData(1, false, make([]byte, most)))
			p.lives()
			p.ok(p.fr.WriteData(1, false, make([]byte, most+1)))
			p.refused("FRAME_SIZE_ERROR")
		})
	}
}

func TestMaxContinuationsIsWhatTheConfigSays(t *testing.T) {
	withFrames(t, say("x"), HTTP2Config{MaxContinuations: 2}, func(p *framePeer) {
		p.open(1, "GET", 2)
		require.Contains(t, p.heard(), "HEADERS 1\n")
		p.lives()
		p.open(3, "GET", 3)
		p.refused("ENHANCE_YOUR_CALM")
		require.NotContains(t, p.heard(), "HEADERS 3\n")
	})
}

// testAllowance calls play more often than a burst of 3 and a rate of 1 per second allow.
func testAllowance(t *testing.T, cfg HTTP2Config, play func(p *framePeer, i uint32)) {
	for name, c := range map[string]struct {
		times uint32
		pause time.Duration
		borne bool
	}{
		"the burst":         {3, 0, true},
		"more than a burst": {4, 0, false},
		"at the rate":       {10, time.Second, true},
		"above the rate":    {10, 300 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			withFrames(t, untilGone, cfg, func(p *framePeer) {
				for i := range c.times {
					if p.ended() {
						break
					}
					play(p, i)
					time.Sleep(c.pause)
				}
				if c.borne {
					p.lives()
				} else {
					p.refused("ENHANCE_YOUR_CALM")
				}
			})
		})
	}
}

func TestResetBurstAndResetRateAreWhatTheConfigSays(t *testing.T) {
	testAllowance(t, HTTP2Config{ResetBurst: 3, ResetRate: 1}, func(p *framePeer, i uint32) {
		p.open(2*i+1, "GET", 0)
		synctest.Wait()
		p.ok(p.fr.WriteRSTStream(2*i+1, frames.ErrCodeCancel))
		synctest.Wait()
	})
}

func TestNoiseBurstAndNoiseRateAreWhatTheConfigSays(t *testing.T) {
	testAllowance(t, HTTP2Config{NoiseBurst: 3, NoiseRate: 1}, func(p *framePeer, _ uint32) {
		p.ok(p.fr.WritePriority(1, frames.PriorityParam{StreamDep: 3}))
	})
}

func TestPrefaceTimeoutIsWhatTheConfigSays(t *testing.T) {
	cfg := &Config{Protocols: h2only(), HTTP2: HTTP2Config{PrefaceTimeout: 3 * time.Second}}
	inBubble(t, say("x"), cfg, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		for _, said := range []string{"", preface[:10], preface} {
			began := time.Now()
			nc, in := dial()
			_, err := io.WriteString(nc, said)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, in)
			require.NoError(t, err)
			require.Equal(t, 3*time.Second, time.Since(began), "behind %q", said)
			require.NoError(t, nc.Close())
		}
	})
}

// TestPrefaceTimeoutBeginsWithThePrefaceWhereHTTP1IsSpokenToo has clients that stop at some place. Until they have
// started the preface they may be HTTP/1 clients, to which HeadTimeout applies.
func TestPrefaceTimeoutBeginsWithThePrefaceWhereHTTP1IsSpokenToo(t *testing.T) {
	cfg := &Config{HeadTimeout: 20 * time.Second, HTTP2: HTTP2Config{PrefaceTimeout: 3 * time.Second}}
	inBubble(t, say("x"), cfg, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		for _, c := range []struct {
			said  string
			takes time.Duration // from when it is said, 15 s after the beginning
			heard string        // in what the client receives
		}{
			{"", 5 * time.Second, ""},
			{"PRI", 5 * time.Second, "HTTP/1.1 408 "},
			{"PRI ", 3 * time.Second, "frame not complete in time"},
			{preface[:23], 3 * time.Second, "frame not complete in time"},
			{preface, 3 * time.Second, "no SETTINGS"},
			{"PRI /", 0, "no connection preface"},
		} {
			nc, in := dial()
			time.Sleep(15 * time.Second)
			began := time.Now()
			_, err := io.WriteString(nc, c.said)
			require.NoError(t, err)
			heard, err := io.ReadAll(in)
			require.NoError(t, err)
			require.Equal(t, c.takes, time.Since(began), "behind %q", c.said)
			require.Contains(t, string(heard), c.heard)
			require.Equal(t, c.said == "", len(heard) == 0)
			require.NoError(t, nc.Close())
		}
	})
}

func TestPingAfterAndPingTimeoutAreWhatTheConfigSays(t *testing.T) {
	withFrames(t, untilGone, HTTP2Config{PingAfter: 5 * time.Second, PingTimeout: 2 * time.Second}, func(p *framePeer) {
		p.open(1, "GET", 0)
		synctest.Wait()
		time.Sleep(5*time.Second - time.Nanosecond)
		require.NotContains(t, p.heard(), "PING")
		time.Sleep(time.Nanosecond)
		require.Contains(t, p.heard(), "PING 0\n")
		time.Sleep(2*time.Second - time.Nanosecond)
		p.lives()
		time.Sleep(time.Nanosecond)
		require.True(t, p.ended())
	})
}

func TestWindowIsWhatTheConfigSays(t *testing.T) {
	withFrames(t, untilGone, HTTP2Config{Window: 1000}, func(p *framePeer) {
		require.Contains(t, p.heard(), "[INITIAL_WINDOW_SIZE = 1000]")
		p.open(1, "POST", 0)
		p.ok(p.fr.WriteData(1, false, make([]byte, 1000)))
		require.NotContains(t, p.heard(), "RST_STREAM")
		p.ok(p.fr.WriteData(1, false, make([]byte, 1)))
		require.Contains(t, p.heard(), "RST_STREAM 1 FLOW_CONTROL_ERROR")
	})
}

func TestWindowGrowsUpToTheMaxWindowOfTheConfig(t *testing.T) {
	withFrames(t, readBody, HTTP2Config{Window: 1000, MaxWindow: 3000}, func(p *framePeer) {
		p.open(1, "POST", 0)
		want, sent := "", 1000
		for _, credit := range []int{2000, 3000, 3000} {
			p.ok(p.fr.WriteData(1, false, make([]byte, sent)))
			want += fmt.Sprintf("WINDOW_UPDATE 1 %d\n", credit)
			require.Contains(t, p.heard(), want)
			sent = credit
		}
		p.lives()
	})
}

// TestConnWindowIsWhatTheConfigSays has a handler that does not read. The connection's credit is returned in any case.
func TestConnWindowIsWhatTheConfigSays(t *testing.T) {
	cfg := HTTP2Config{ConnWindow: 100_000, Window: 200_000, MaxFrame: 200_000}
	withFrames(t, untilGone, cfg, func(p *framePeer) {
		require.Contains(t, p.heard(), fmt.Sprintf("WINDOW_UPDATE 0 %d\n", 100_000-65_535))
		p.open(1, "POST", 0)
		p.ok(p.fr.WriteData(1, false, make([]byte, 24_999)))
		require.Equal(t, 1, strings.Count(p.heard(), "WINDOW_UPDATE"))
		p.ok(p.fr.WriteData(1, false, make([]byte, 1)))
		require.Contains(t, p.heard(), "WINDOW_UPDATE 0 25000\n")
		p.ok(p.fr.WriteData(1, false, make([]byte, 100_000)))
		p.lives()
		p.open(3, "POST", 0)
		p.ok(p.fr.WriteData(3, false, make([]byte, 100_001)))
		p.refused("FLOW_CONTROL_ERROR")
	})
}
