package http2

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

func with(fields []Field, more ...string) []Field {
	for i := 0; i < len(more); i += 2 {
		fields = append(fields, Field{Name: more[i], Value: more[i+1]})
	}
	return fields
}

func without(fields []Field, name string) (rest []Field) {
	for _, f := range fields {
		if f.Name != name {
			rest = append(rest, f)
		}
	}
	return rest
}

// TestMalformedRequestsAreReset tests the requests that RFC 9113 8.1.1 calls malformed, and those that HTTP/1 refuses.
func TestMalformedRequestsAreReset(t *testing.T) {
	pseudo := func(name, value string) []Field {
		return append([]Field{{Name: name, Value: value}}, without(get("/"), name)...)
	}
	cases := map[string][]Field{
		"no method":                    without(get("/"), ":method"),
		"no scheme":                    without(get("/"), ":scheme"),
		"no path":                      without(get("/"), ":path"),
		"no authority":                 without(get("/"), ":authority"),
		"method twice":                 append([]Field{{Name: ":method", Value: "GET"}}, get("/")...),
		"unknown pseudo field":         append([]Field{{Name: ":x", Value: "y"}}, get("/")...),
		"status":                       append([]Field{{Name: ":status", Value: "200"}}, get("/")...),
		"pseudo field behind others":   with(get("/"), "x", "y", ":late", "z"),
		"method that is no token":      pseudo(":method", "GE T"),
		"empty path":                   pseudo(":path", ""),
		"absolute path":                pseudo(":path", "http://b/"),
		"fragment in the path":         pseudo(":path", "/a#b"),
		"space in the path":            pseudo(":path", "/a b"),
		"line break in the path":       pseudo(":path", "/a\r\nb: c"),
		"asterisk with GET":            pseudo(":path", "*"),
		"scheme":                       pseudo(":scheme", "ht tp"),
		"user information":             pseudo(":authority", "u@b"),
		"authority with a path":        pseudo(":authority", "b/c"),
		"port":                         pseudo(":authority", "b:99999"),
		"host that differs":            with(get("/"), "host", "other"),
		"host twice":                   with(get("/"), "host", "example.org", "host", "example.org"),
		"upper case":                   with(get("/"), "X-A", "b"),
		"name that is no token":        with(get("/"), "x a", "b"),
		"empty name":                   with(get("/"), "", "b"),
		"carriage return in a value":   with(get("/"), "x", "a\rb"),
		"line feed in a value":         with(get("/"), "x", "a\nb"),
		"NUL in a value":               with(get("/"), "x", "a\x00b"),
		"white space around a value":   with(get("/"), "x", " a"),
		"connection":                   with(get("/"), "connection", "close"),
		"keep-alive":                   with(get("/"), "keep-alive", "x"),
		"proxy-connection":             with(get("/"), "proxy-connection", "x"),
		"transfer-encoding":            with(get("/"), "transfer-encoding", "chunked"),
		"upgrade":                      with(get("/"), "upgrade", "h2c"),
		"te":                           with(get("/"), "te", "gzip"),
		"length":                       with(get("/"), "content-length", "+1"),
		"lengths":                      with(get("/"), "content-length", "0", "content-length", "0"),
		"length without a body":        with(get("/"), "content-length", "1"),
		"CONNECT with a path":          {{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b:1"}, {Name: ":path", Value: "/"}},
		"CONNECT without a port":       {{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b"}},
		"protocol with another method": with(append([]Field{{Name: ":protocol", Value: "x"}}, get("/")...)),
	}
	inRaw(t, nil, hello, func(r *raw) {
		id := uint32(1)
		for name, fields := range cases {
			r.ok(r.headers(id, true, fields))
			require.Equal(t, 1, r.count(frames.FrameRSTStream.String()+" "+itoa(id)+" PROTOCOL_ERROR"), name)
			id += 2
		}
		r.ok(r.headers(id, true, with(get("/"), "te", "trailers", "host", "EXAMPLE.org")))
		require.Contains(t, r.heard(), "HEADERS "+itoa(id)+" :status=200")
	})
}

func itoa(n uint32) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// TestErrorsOfTheConnection tests frames that end the connection.
func TestErrorsOfTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		play func(r *raw) error
		want string
	}{
		"even stream":              {func(r *raw) error { return r.headers(2, true, get("/")) }, "PROTOCOL_ERROR"},
		"stream passed over":       {func(r *raw) error { _ = r.headers(9, true, get("/")); return r.headers(5, true, get("/")) }, "PROTOCOL_ERROR"},
		"DATA on an idle stream":   {func(r *raw) error { return r.fr.WriteData(1, false, []byte("x")) }, "PROTOCOL_ERROR"},
		"DATA without a stream":    {func(r *raw) error { return r.fr.WriteData(0, false, []byte("x")) }, "PROTOCOL_ERROR"},
		"reset of an idle stream":  {func(r *raw) error { return r.fr.WriteRSTStream(1, 0) }, "PROTOCOL_ERROR"},
		"window of an idle stream": {func(r *raw) error { return r.fr.WriteWindowUpdate(1, 1) }, "PROTOCOL_ERROR"},
		"idle stream that depends on itself": {func(r *raw) error {
			return r.fr.WritePriority(1, frames.PriorityParam{StreamDep: 1})
		}, "PROTOCOL_ERROR"},
		"even stream that depends on itself": {func(r *raw) error {
			return r.fr.WriteHeaders(frames.HeadersFrameParam{
				StreamID: 2, BlockFragment: r.encode(get("/")), EndHeaders: true, Priority: frames.PriorityParam{StreamDep: 2},
			})
		}, "PROTOCOL_ERROR"},
		"push": {func(r *raw) error {
			return r.fr.WritePushPromise(frames.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true})
		}, "PROTOCOL_ERROR"},
		"window too large": {func(r *raw) error { return r.fr.WriteWindowUpdate(0, 1<<31-1) }, "FLOW_CONTROL_ERROR"},
		"frame too large":  {func(r *raw) error { return r.fr.WriteRawFrame(frames.FrameData, 0, 1, make([]byte, 16<<10+1)) }, "FRAME_SIZE_ERROR"},
		"padding too long": {func(r *raw) error {
			return r.fr.WriteRawFrame(frames.FrameData, frames.FlagDataPadded, 1, []byte{5, 0})
		}, "PROTOCOL_ERROR"},
		"malformed block": {func(r *raw) error {
			return r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x80}, EndHeaders: true})
		}, "COMPRESSION_ERROR"},
		"HEADERS without a stream": {func(r *raw) error { return r.headers(0, true, get("/")) }, "PROTOCOL_ERROR"},
		"HEADERS without its padding": {func(r *raw) error {
			return r.fr.WriteRawFrame(frames.FrameHeaders, frames.FlagHeadersEndHeaders|frames.FlagHeadersPadded, 1, nil)
		}, "FRAME_SIZE_ERROR"},
		"HEADERS without its priority": {func(r *raw) error {
			return r.fr.WriteRawFrame(frames.FrameHeaders, frames.FlagHeadersEndHeaders|frames.FlagHeadersPriority, 1, make([]byte, 4))
		}, "FRAME_SIZE_ERROR"},
		"HEADERS with padding too long": {func(r *raw) error {
			return r.fr.WriteRawFrame(frames.FrameHeaders, frames.FlagHeadersEndHeaders|frames.FlagHeadersPadded, 1, append([]byte{200}, r.encode(get("/"))...))
		}, "PROTOCOL_ERROR"},
		"between CONTINUATION": {func(r *raw) error {
			_ = r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 1})
			return r.fr.WritePing(false, [8]byte{})
		}, "PROTOCOL_ERROR"},
		"ENABLE_PUSH of 2":     {func(r *raw) error { return r.fr.WriteSettings(frames.Setting{ID: frames.SettingEnablePush, Val: 2}) }, "PROTOCOL_ERROR"},
		"small MAX_FRAME_SIZE": {func(r *raw) error { return r.fr.WriteSettings(frames.Setting{ID: frames.SettingMaxFrameSize, Val: 1}) }, "PROTOCOL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			inRaw(t, nil, hello, func(r *raw) {
				if name == "padding too long" {
					r.ok(r.headers(1, false, request("POST", "/")))
				}
				_ = c.play(r)
				require.Contains(t, r.heard(), "GOAWAY 0 "+c.want)
				require.True(t, r.ended())
			})
		})
	}
}

// TestHeadersMayHavePaddingAndPriority sends them whole and byte by byte, in one frame and in two.
func TestHeadersMayHavePaddingAndPriority(t *testing.T) {
	inRaw(t, nil, func(x *exchange) { x.respond(200, x.request.Path) }, func(r *raw) {
		for i, rest := range []bool{false, true, false, true} {
			id := uint32(2*i + 1)
			param := frames.HeadersFrameParam{
				StreamID: id, BlockFragment: r.encode(get("/padded")), EndStream: true, EndHeaders: !rest,
				PadLength: 7, Priority: frames.PriorityParam{StreamDep: id + 2, Exclusive: true, Weight: 3},
			}
			if rest {
				param.BlockFragment = param.BlockFragment[:3]
			}
			var p bytes.Buffer
			fr := frames.NewFramer(&p, nil)
			fr.AllowIllegalWrites = true
			r.ok(fr.WriteHeaders(param))
			if rest {
				r.ok(fr.WriteContinuation(id, true, r.block.Bytes()[3:]))
			}
			if i < 2 {
				_, err := r.nc.Write(p.Bytes())
				r.ok(err)
			} else {
				for _, b := range p.Bytes() {
					_, err := r.nc.Write([]byte{b})
					r.ok(err)
					synctest.Wait()
				}
			}
			require.Contains(t, r.heard(), "DATA "+itoa(id)+" 7 END")
		}
	})
}

func TestBodyMustBeAsLongAsItsLength(t *testing.T) {
	for name, size := range map[string]int{"short": 4, "long": 6, "right": 5} {
		t.Run(name, func(t *testing.T) {
			got := make(chan error, 1)
			inRaw(t, nil, func(x *exchange) {
				_, err := x.readAll()
				got <- err
				x.respond(200, "")
			}, func(r *raw) {
				r.ok(r.headers(1, false, request("POST", "/", "content-length", "5")))
				r.ok(r.fr.WriteDataPadded(1, true, make([]byte, size), make([]byte, 9)))
				if name == "right" {
					require.NoError(t, <-got)
					require.Contains(t, r.heard(), "HEADERS 1 :status=200")
					return
				}
				require.Equal(t, ProtocolError, codeOf(<-got))
				require.Contains(t, r.heard(), "RST_STREAM 1 PROTOCOL_ERROR")
			})
		})
	}
}

// TestStreamsThatNobodyReadsStopNoOther fills the windows of many streams, which exceed that of the connection, and
// uses another stream.
func TestStreamsThatNobodyReadsStopNoOther(t *testing.T) {
	release := make(chan struct{})
	c, _ := connect(t, nil, nil, func(x *exchange) {
		if x.request.Path == "/stall" {
			select {
			case <-release:
			case <-x.gone:
			}
			return
		}
		body, _ := x.readAll()
		x.respond(200, body)
	})
	defer close(release)
	for range 60 {
		s, err := c.Open(t.Context(), request("POST", "/stall"), false)
		require.NoError(t, err)
		require.NoError(t, s.Out.Send(t.Context(), make([]byte, 64<<10))) // its whole window
		ok, err := s.Out.TrySend([]byte("x"))
		require.True(t, ok)
		require.NoError(t, err)
	}
	s, err := c.Open(t.Context(), request("POST", "/"), false)
	require.NoError(t, err)
	sent := strings.Repeat("x", 1<<20)
	require.NoError(t, s.Out.Finish(t.Context(), []byte(sent), nil))
	_, body := answer(t, s)
	require.True(t, body == sent)
}

// TestWindowGrowsWhileTheReaderKeepsUp compares how much a stream can hold before and after.
func TestWindowGrowsWhileTheReaderKeepsUp(t *testing.T) {
	inRaw(t, nil, func(x *exchange) { _, _ = x.readAll() }, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/")))
		granted := 64 << 10
		for range 400 {
			r.ok(r.fr.WriteData(1, false, make([]byte, 16<<10)))
			granted -= 16 << 10
			for _, s := range strings.Split(r.heard(), "\n") {
				if rest, ok := strings.CutPrefix(s, "WINDOW_UPDATE 1 "); ok {
					n := 0
					for _, d := range rest {
						n = n*10 + int(d-'0')
					}
					granted += n
				}
			}
			r.mu.Lock()
			r.got = nil
			r.mu.Unlock()
			require.LessOrEqual(t, granted, 1<<20)
		}
		require.Greater(t, granted, 512<<10)
	})
}

func TestMoreThanTheWindowIsAnError(t *testing.T) {
	inRaw(t, nil, hang, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/")))
		for range 4 {
			r.ok(r.fr.WriteData(1, false, make([]byte, 16<<10)))
		}
		require.NotContains(t, r.heard(), "RST_STREAM")
		r.ok(r.fr.WriteData(1, false, []byte("x")))
		require.Contains(t, r.heard(), "RST_STREAM 1 FLOW_CONTROL_ERROR")
		require.NotContains(t, r.heard(), "GOAWAY")
	})
}

// TestBodyThatIsNotReadIsStoppedBehindTheReply has a handler that answers at once.
func TestBodyThatIsNotReadIsStoppedBehindTheReply(t *testing.T) {
	inRaw(t, nil, hello, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/")))
		require.True(t, strings.HasSuffix(r.heard(), "HEADERS 1 :status=200\nDATA 1 5 END\nRST_STREAM 1 NO_ERROR"), r.heard())
		r.ok(r.fr.WriteData(1, true, []byte("late"))) // was on its way
		require.NotContains(t, r.heard(), "STREAM_CLOSED")
	})
}

func TestFramesBehindTheEndOfAStream(t *testing.T) {
	inRaw(t, nil, hello, func(r *raw) {
		r.ok(r.headers(1, true, get("/")))
		synctest.Wait()
		r.ok(r.fr.WriteData(1, false, []byte("x")))
		require.Contains(t, r.heard(), "RST_STREAM 1 STREAM_CLOSED")
		r.ok(r.headers(3, true, get("/")))
		synctest.Wait()
		r.ok(r.headers(3, true, get("/")))
		require.Contains(t, r.heard(), "GOAWAY 0 STREAM_CLOSED")
	})
}

// TestPrioritiesOrderWhatIsSent uses up the window of the connection, requests six bodies, and then opens it.
func TestPrioritiesOrderWhatIsSent(t *testing.T) {
	inRaw(t, nil, func(x *exchange) {
		size := 20 << 10
		if x.ID() == 1 {
			size = defaultWindow
		}
		x.respond(200, strings.Repeat("x", size))
	}, func(r *raw) {
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 1 << 20}))
		ask := func(id uint32, fields []Field) {
			r.ok(r.headers(id, true, fields))
			synctest.Wait()
		}
		ask(1, get("/"))
		ask(3, get("/")) // the default without a priority: incremental
		ask(5, get("/"))
		r.ok(r.fr.WritePriorityUpdate(13, "u=0"))
		ask(7, request("GET", "/", "priority", "u=3"))
		ask(9, request("GET", "/", "priority", "u=5, i"))
		ask(11, request("GET", "/", "priority", "u=1"))
		ask(13, get("/"))
		require.Equal(t, 1, strings.Count(r.heard(), "END"))
		r.ok(r.fr.WriteWindowUpdate(0, 1<<20))
		var order []string
		for _, s := range strings.Split(r.heard(), "\n") {
			if strings.HasPrefix(s, "DATA") && strings.HasSuffix(s, "END") {
				order = append(order, strings.Fields(s)[1])
			}
		}
		require.Len(t, order, 7)
		require.Equal(t, []string{"1", "13", "11", "7"}, order[:4])
		require.Equal(t, "9", order[6])
	})
}

func TestParsePriority(t *testing.T) {
	for text, want := range map[string]priority{
		"":                  {3, false},
		"u=0, i":            {0, true},
		"i=?0,u=7":          {7, false},
		"u=9":               {3, false},
		"u=-1, x, i;q=1":    {3, true},
		"u=5;foo=bar , i=1": {5, false},
	} {
		require.Equal(t, want, parsePriority(text), text)
	}
}

// TestShutdownHasTwoSteps requires the first GOAWAY to name no stream, and requests that arrive before the second to be
// served.
func TestShutdownHasTwoSteps(t *testing.T) {
	for name, answers := range map[string]bool{"with an answer": true, "after a second": false} {
		t.Run(name, func(t *testing.T) {
			var server *Conn
			inRaw(t, nil, func(x *exchange) {
				server = x.c
				x.respond(200, "")
			}, func(r *raw) {
				r.ok(r.headers(1, true, get("/")))
				synctest.Wait()
				server.Shutdown()
				require.Contains(t, r.heard(), "GOAWAY 0 NO_ERROR  last=2147483647")
				require.Contains(t, r.heard(), `PING 0 "weir bye" false`)
				r.ok(r.headers(3, true, get("/")))
				require.Contains(t, r.heard(), "HEADERS 3 :status=200")
				if answers {
					r.ok(r.fr.WritePing(true, goodbye))
				} else {
					time.Sleep(time.Second)
				}
				require.Contains(t, r.heard(), "GOAWAY 0 NO_ERROR  last=3")
				require.True(t, r.ended())
			})
		})
	}
}

func TestIdleConnectionIsEnded(t *testing.T) {
	inRaw(t, nil, hello, func(r *raw) {
		time.Sleep(70 * time.Second)
		r.ok(r.headers(1, true, get("/")))
		synctest.Wait()
		time.Sleep(74 * time.Second)
		require.False(t, r.ended())
		time.Sleep(2 * time.Second)
		require.True(t, r.ended())
		require.Contains(t, r.heard(), "GOAWAY 0 NO_ERROR")
	})
}
