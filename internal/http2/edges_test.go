package http2

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
)

// inHaste runs test in a synctest bubble with a server and a raw client that has neither sent its preface nor read
// anything.
func inHaste(t *testing.T, cfg *Config, handle serveFunc, test func(r *raw, server *Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		here, there := chanio.Pipe()
		server := NewServer(here, chanio.BytesOf(here.In), handle, cfg)
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
		test(newRaw(t, chanio.AsNetConn(there)), server)
	})
}

// deafSilence is inSilence for a server that stops reading after the preface and its own SETTINGS.
func deafSilence(t *testing.T, test func(r *raw, c *Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		here, there := chanio.Pipe()
		c := NewClient(here, nil)
		ran := make(chan error, 1)
		go func() {
			ran <- c.Run(context.Background())
			_ = here.Close()
		}()
		r := newRaw(t, chanio.AsNetConn(there))
		r.ok(r.fr.WriteSettings())
		defer func() {
			there.Abort(nil)
			<-ran
			<-here.Done()
		}()
		test(r, c)
	})
}

// TestBodyThatWasSentBeforeASmallerWindowWasKnown has a client send what the window of RFC 9113 6.9.2 allows, before it
// learns that the server's is smaller (6.9.3).
func TestBodyThatWasSentBeforeASmallerWindowWasKnown(t *testing.T) {
	const early, size = 60_000, 1000
	var got chan int
	var next, goOn chan struct{}
	inHaste(t, &Config{Window: size, MaxWindow: size}, func(x *exchange) {
		select {
		case <-goOn:
		case <-x.gone:
			return
		}
		n, _ := io.CopyN(io.Discard, reader{&x.In}, early)
		got <- int(n)
		select {
		case <-next:
		case <-x.gone:
			return
		}
		all, err := x.readAll()
		got <- len(all)
		if err == nil {
			x.respond(200, "")
		}
	}, func(r *raw, _ *Conn) {
		got, next, goOn = make(chan int, 1), make(chan struct{}), make(chan struct{})
		_, _ = io.WriteString(r.nc, frames.ClientPreface)
		r.ok(r.fr.WriteSettings())
		r.ok(r.headers(1, false, request("POST", "/")))
		for range 4 {
			r.ok(r.fr.WriteData(1, false, make([]byte, early/4)))
		}
		go r.read()
		r.ok(r.fr.WriteSettingsAck())
		r.ok(r.fr.WriteDataPadded(1, false, nil, nil)) // needs no window, which is negative
		require.NotContains(t, r.heard(), "RST_STREAM")
		close(goOn)
		require.Equal(t, early, <-got)
		close(next)
		synctest.Wait()
		window := 65535 - early - (65535 - size) + granted(r, 1)
		require.Equal(t, size, window, "all has been read: what the client may send")
		r.ok(r.fr.WriteData(1, true, make([]byte, size)))
		require.Equal(t, size, <-got)
		require.Contains(t, r.heard(), "HEADERS 1 :status=200")
	})
}

// TestSmallWindowOfAClientHoldsFromTheStart has a server acknowledge SETTINGS, which it has read before any request, only after
// a stream was opened.
func TestSmallWindowOfAClientHoldsFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1000
		here, there := chanio.Pipe()
		c := NewClient(here, &Config{Window: size, MaxWindow: size})
		ran := make(chan error, 1)
		go func() {
			ran <- c.Run(context.Background())
			_ = here.Close()
		}()
		defer func() {
			there.Abort(nil)
			<-ran
			<-here.Done()
		}()
		r := newRaw(t, chanio.AsNetConn(there))
		_, err := io.ReadFull(r.nc, make([]byte, len(frames.ClientPreface)))
		r.ok(err)
		go r.read()
		s, err := c.Open(context.Background(), get("/"), true)
		r.ok(err)
		r.ok(r.fr.WriteSettings())
		r.ok(r.fr.WriteSettingsAck())
		r.ok(r.headers(1, false, ok200))
		r.ok(r.fr.WriteData(1, true, make([]byte, size)))
		body, err := io.ReadAll(reader{&s.In})
		r.ok(err)
		require.Len(t, body, size)
	})
}

// TestConnectionWithATinyWindowSendsNoEmptyCredit sends frames without a payload on a connection that returns credit at
// once.
func TestConnectionWithATinyWindowSendsNoEmptyCredit(t *testing.T) {
	inRaw(t, &Config{ConnWindow: 2}, hang, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/")))
		r.ok(r.fr.WriteData(1, false, nil))
		r.ok(r.fr.WriteData(1, true, []byte("x")))
		require.NotContains(t, r.heard(), "WINDOW_UPDATE 0 0")
		require.Contains(t, r.heard(), "WINDOW_UPDATE 0 1")
	})
}

// TestTunnelHasNoTrailers sends a header block in a CONNECT stream (RFC 9113 8.5).
func TestTunnelHasNoTrailers(t *testing.T) {
	connect := []Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b:443"}}
	trailers := []Field{{Name: "x", Value: "y"}}
	t.Run("server", func(t *testing.T) {
		inRaw(t, nil, func(x *exchange) {
			_ = x.Out.Headers(context.Background(), ok200)
			<-x.gone
		}, func(r *raw) {
			r.ok(r.headers(1, false, connect))
			r.ok(r.headers(1, true, trailers))
			require.Contains(t, r.heard(), "RST_STREAM 1 PROTOCOL_ERROR")
		})
	})
	t.Run("client", func(t *testing.T) {
		inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
			s, err := c.Open(context.Background(), connect, false)
			r.ok(err)
			r.ok(r.headers(1, false, ok200))
			r.ok(r.headers(1, true, trailers))
			require.Contains(t, r.heard(), "RST_STREAM 1 PROTOCOL_ERROR")
			_, err = s.In.Next(context.Background())
			require.Equal(t, ProtocolError, codeOf(err))
		})
	})
	t.Run("client, refused", func(t *testing.T) {
		inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
			s, err := c.Open(context.Background(), connect, false)
			r.ok(err)
			r.ok(r.headers(1, false, []Field{{Name: ":status", Value: "403"}}))
			r.ok(r.headers(1, true, trailers))
			_, err = s.In.Next(context.Background())
			require.Equal(t, io.EOF, err)
			require.Equal(t, trailers, s.Trailers())
		})
	})
}

// TestResetsThatNobodyReadsAreBounded has one side cause resets repeatedly without reading them.
func TestResetsThatNobodyReadsAreBounded(t *testing.T) {
	const times, bound = 50_000, 64 << 10
	outOf := func(c *Conn) int {
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.send.out)
	}
	for name, send := range map[string]func(r *raw, id uint32) error{
		"DATA for one that is over": func(r *raw, id uint32) error { return r.fr.WriteData(id, false, []byte("x")) },
		"WINDOW_UPDATE of nothing": func(r *raw, id uint32) error {
			return r.fr.WriteRawFrame(frames.FrameWindowUpdate, 0, id, make([]byte, 4))
		},
		"PRIORITY on itself, by the server":  func(r *raw, id uint32) error { return r.fr.WritePriority(id, frames.PriorityParam{StreamDep: id}) },
		"PRIORITY on itself, of other links": func(r *raw, _ uint32) error { return r.fr.WritePriority(1001, frames.PriorityParam{StreamDep: 1001}) },
	} {
		t.Run("client, "+name, func(t *testing.T) {
			deafSilence(t, func(r *raw, c *Conn) {
				s, err := c.Open(context.Background(), get("/"), true)
				r.ok(err)
				r.ok(r.headers(s.ID(), true, ok200))
				r.again(times, func(int) error { return send(r, s.ID()) })
				require.Less(t, outOf(c), bound)
			})
		})
	}
	for name, handle := range map[string]serveFunc{
		"without a response": func(*exchange) {},
		"that reset":         func(x *exchange) { x.Reset(InternalError, nil) },
	} {
		t.Run("server, handlers "+name, func(t *testing.T) {
			inHaste(t, nil, handle, func(r *raw, server *Conn) {
				_, _ = io.WriteString(r.nc, frames.ClientPreface)
				r.ok(r.fr.WriteSettings())
				r.again(times, func(i int) error { return r.headers(uint32(2*i+1), true, get("/")) })
				require.Less(t, outOf(server), bound)
			})
		})
	}
}

// TestCancelledRequestsAreNotTheFaultOfTheServer cancels many while the server does not read, and then has it ask for an answer.
func TestCancelledRequestsAreNotTheFaultOfTheServer(t *testing.T) {
	deafSilence(t, func(r *raw, c *Conn) {
		requests := 0
		for more := 2 * maxOwed; more > 0; requests++ {
			s, err := c.Open(context.Background(), get("/"), true)
			r.ok(err)
			s.Reset(Cancel, nil)
			synctest.Wait()
			c.mu.Lock()
			if c.send.stuck {
				more--
			}
			c.mu.Unlock()
		}
		r.ok(r.fr.WritePing(false, [8]byte{1}))
		synctest.Wait()
		require.NoError(t, c.Err())
		_, err := io.ReadFull(r.nc, make([]byte, len(frames.ClientPreface)))
		r.ok(err)
		go r.read()
		require.Equal(t, requests, r.count("RST_STREAM"))
		require.Equal(t, 1, r.count("PING"))
	})
}

// TestTrailersAreTheSendersAgainOnReturn has the ctx of Finish end within the body. The body and the trailers are then
// copied.
func TestTrailersAreTheSendersAgainOnReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		got := make(chan []Field, 1)
		c, _ := connect(t, &Config{Window: 1000}, nil, func(x *exchange) {
			<-goOn
			_, _ = x.readAll()
			got <- x.Trailers()
		})
		require.NoError(t, c.AwaitSettings(t.Context()))
		s, err := c.Open(t.Context(), request("POST", "/"), false)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		trailers := []Field{{Name: "x", Value: "y"}}
		require.NoError(t, s.Out.Finish(ctx, make([]byte, 1500), trailers))
		trailers[0].Value = "changed"
		close(goOn)
		require.Equal(t, []Field{{Name: "x", Value: "y"}}, <-got)
	})
}

// TestWindowForEachStreamIsNoNoise opens a window for each stream, as some clients do, although no response has a body.
func TestWindowForEachStreamIsNoNoise(t *testing.T) {
	inRaw(t, nil, func(x *exchange) { x.respond(204, "") }, func(r *raw) {
		r.again(5000, func(i int) error {
			id := uint32(2*i + 1)
			_ = r.headers(id, true, get("/"))
			err := r.fr.WriteWindowUpdate(id, 1<<20)
			synctest.Wait()
			return err
		})
		require.NotContains(t, r.heard(), "GOAWAY")
		require.Equal(t, 5000, r.count("HEADERS"))
	})
}

// TestFirstSettingsMustComeInTime sends them one byte at a time.
func TestFirstSettingsMustComeInTime(t *testing.T) {
	inHaste(t, nil, hello, func(r *raw, server *Conn) {
		_, _ = io.WriteString(r.nc, frames.ClientPreface)
		go r.read()
		settings := appendSettings(nil, make([]frames.Setting, 10)...)
		r.again(len(settings), func(i int) error {
			_, err := r.nc.Write(settings[i : i+1])
			time.Sleep(4 * time.Second)
			if i == 1 {
				require.NoError(t, server.Err())
			}
			return err
		})
		require.True(t, r.ended())
		require.Contains(t, r.heard(), "GOAWAY 0 SETTINGS_TIMEOUT")
	})
}

// TestAcknowledgementIsNotTheFirstSettings sends one in their place, which ends no wait for them (RFC 9113 3.4), and a request.
func TestAcknowledgementIsNotTheFirstSettings(t *testing.T) {
	inHaste(t, nil, hello, func(r *raw, _ *Conn) {
		go r.read()
		_, _ = io.WriteString(r.nc, frames.ClientPreface)
		r.ok(r.fr.WriteSettingsAck())
		_ = r.headers(1, true, get("/"))
		require.Contains(t, r.heard(), "GOAWAY 0 PROTOCOL_ERROR first frame is not SETTINGS")
		require.NotContains(t, r.heard(), "HEADERS")
		require.True(t, r.ended())
	})
}

// TestWindowThatIsOpenedAndClosedIsNoProgress changes the window of the stream between zero and one. The window of the
// connection is zero, so that nothing can be sent.
func TestWindowThatIsOpenedAndClosedIsNoProgress(t *testing.T) {
	failed := make(chan error, 1)
	inRaw(t, nil, func(x *exchange) {
		_ = x.Out.Headers(context.Background(), ok200)
		failed <- x.Out.Send(context.Background(), make([]byte, 1<<20))
	}, func(r *raw) {
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 65535}))
		r.ok(r.headers(1, true, get("/"))) // uses up the windows of the connection and the stream
		synctest.Wait()
		for i := range 6 {
			r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: uint32(65536 - i%2)}))
			time.Sleep(10 * time.Second)
		}
		require.Contains(t, r.heard(), "RST_STREAM 1 CANCEL")
		require.Error(t, <-failed)
	})
}

// TestPrioritiesOfStreamsThatWerePassedOverAreForgotten announces priorities for streams that are never opened, and
// later one for a stream that is.
func TestPrioritiesOfStreamsThatWerePassedOverAreForgotten(t *testing.T) {
	inRaw(t, &Config{MaxStreams: 10}, func(x *exchange) {
		x.c.mu.Lock()
		urgency := x.prio.urgency
		x.c.mu.Unlock()
		x.respond(200, strings.Repeat("u", int(urgency)))
	}, func(r *raw) {
		for i := range uint32(10) {
			r.ok(r.fr.WritePriorityUpdate(1+2*i, "u=1"))
		}
		r.ok(r.headers(101, true, get("/")))
		r.ok(r.fr.WritePriorityUpdate(103, "u=6"))
		r.ok(r.headers(103, true, get("/")))
		require.Contains(t, r.heard(), "DATA 103 6 END")
	})
}

// TestReaderThatNeedsMoreThanTheWindowGetsIt fills without discarding, as a codec that searches for the end of a frame
// does.
func TestReaderThatNeedsMoreThanTheWindowGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 300_000
		done := make(chan bool, 1)
		c, _ := connect(t, &Config{Window: 1 << 16, MaxWindow: 1 << 16}, nil, func(x *exchange) {
			var err error
			for len(x.In.Buffered()) < size && err == nil {
				err = x.In.Fill(context.Background(), size)
			}
			done <- err == nil
			x.In.Discard(size)
			rest, err := x.readAll()
			done <- err == nil && len(rest) == size
		})
		s, err := c.Open(t.Context(), request("POST", "/"), false)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, s.Out.Send(ctx, make([]byte, size)))
		require.True(t, <-done)
		require.NoError(t, s.Out.Finish(ctx, make([]byte, size), nil))
		require.True(t, <-done)
	})
}

// TestHeadsOfAResponseAreBoundedTogether sends informational heads that are each short enough.
func TestHeadsOfAResponseAreBoundedTogether(t *testing.T) {
	long := strings.Repeat("x", 60<<10)
	for n, borne := range map[int]bool{4: true, 5: false} {
		inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
			s, err := c.Open(context.Background(), get("/"), true)
			r.ok(err)
			for range n {
				block := r.encode([]Field{{Name: ":status", Value: "103"}, {Name: "a", Value: long}})
				r.ok(r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: block[:16<<10]}))
				block = block[16<<10:]
				for ; len(block) > 16<<10; block = block[16<<10:] {
					r.ok(r.fr.WriteContinuation(1, false, block[:16<<10]))
				}
				r.ok(r.fr.WriteContinuation(1, true, block))
			}
			r.ok(r.headers(1, true, ok200))
			require.Equal(t, !borne, strings.Contains(r.heard(), "RST_STREAM 1 CANCEL"))
			for range n {
				_, err = s.Head(context.Background())
			}
			if borne {
				_, err = s.Head(context.Background())
			}
			require.Equal(t, borne, err == nil, "%v", err)
		})
	}
}

// TestTableSizeMayChangeTwiceInARow starts a header block with two changes of the size of a table in use.
func TestTableSizeMayChangeTwiceInARow(t *testing.T) {
	for split := range 8 {
		inRaw(t, nil, hello, func(r *raw) {
			r.ok(r.headers(1, true, request("GET", "/", "name", "value")))
			r.enc.SetMaxDynamicTableSize(2000)
			r.enc.SetMaxDynamicTableSize(3000)
			for id := uint32(3); id < 7; id += 2 {
				block := r.encode(request("GET", "/", "name", "value"))
				at := min(split, len(block))
				r.ok(r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: id, BlockFragment: block[:at], EndStream: true}))
				r.ok(r.fr.WriteContinuation(id, true, block[at:]))
			}
			require.Equal(t, 3, r.count("HEADERS"), "%d\n%s", split, r.heard())
		})
	}
}

// TestLengthOfAConnectIsNotThatOfItsTunnel has a CONNECT with a Content-Length, zero or not.
func TestLengthOfAConnectIsNotThatOfItsTunnel(t *testing.T) {
	for length, reset := range map[string]bool{"0": false, "1": true} {
		inRaw(t, nil, func(x *exchange) {
			_ = x.Out.Headers(context.Background(), ok200)
			_, _ = x.readAll()
			_ = x.Out.Close()
		}, func(r *raw) {
			r.ok(r.headers(1, false, []Field{
				{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b:443"}, {Name: "content-length", Value: length},
			}))
			_ = r.fr.WriteData(1, true, []byte("hello"))
			require.Equal(t, reset, strings.Contains(r.heard(), "RST_STREAM 1 PROTOCOL_ERROR"), r.heard())
		})
	}
}

// TestFieldLongerThanAHeadMayBe requires the end of the connection, because the tables differ from then on.
func TestFieldLongerThanAHeadMayBe(t *testing.T) {
	inRaw(t, nil, hello, func(r *raw) {
		block := r.encode(request("GET", "/", "a", strings.Repeat("x", 65<<10)))
		_ = r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: block[:16<<10], EndStream: true})
		for block = block[16<<10:]; len(block) > 16<<10; block = block[16<<10:] {
			_ = r.fr.WriteContinuation(1, false, block[:16<<10])
		}
		_ = r.fr.WriteContinuation(1, true, block)
		require.Contains(t, r.heard(), "GOAWAY 0 COMPRESSION_ERROR")
	})
}
