package http2

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/stream"
)

// inSilence runs a client with a server that sends nothing after its SETTINGS.
func inSilence(t *testing.T, test func(r *raw, c *Conn, ran <-chan error)) {
	synctest.Test(t, func(t *testing.T) {
		here, there := chanio.Pipe()
		c := NewClient(here, nil)
		ran := make(chan error, 1)
		go func() {
			ran <- c.Run(context.Background())
			_ = here.Close()
		}()
		r := newRaw(t, chanio.AsNetConn(there))
		_, err := io.ReadFull(r.nc, make([]byte, len(frames.ClientPreface)))
		r.ok(err)
		go r.read()
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: 2}))
		synctest.Wait()
		defer func() {
			there.Abort(nil)
			<-here.Done()
		}()
		test(r, c, ran)
	})
}

func TestClientPingsASilentServer(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, ran <-chan error) {
		time.Sleep(time.Hour)
		require.NotContains(t, r.heard(), "PING", "no stream is open")
		s, err := c.Open(context.Background(), get("/"), true)
		r.ok(err)
		time.Sleep(31 * time.Second)
		require.Contains(t, r.heard(), `PING 0 "weir liv" false`)
		r.ok(r.fr.WritePing(true, probe))
		time.Sleep(31 * time.Second)
		require.Equal(t, 2, r.count("PING"))
		time.Sleep(16 * time.Second)
		require.ErrorContains(t, <-ran, "no answer to a ping")
		_, err = s.Head(context.Background())
		require.Error(t, err)
	})
}

func TestClientWaitsForAStream(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
		for range 2 {
			_, err := c.Open(context.Background(), get("/"), true)
			r.ok(err)
		}
		require.Zero(t, c.Free())
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.Open(ctx, get("/"), true)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.ok(r.headers(1, true, []Field{{Name: ":status", Value: "204"}}))
		s, err := c.Open(context.Background(), get("/"), true)
		r.ok(err)
		require.EqualValues(t, 5, s.ID())
	})
}

// Who waits for a stream is served in order, also after others have given up, and before those who come later.
func TestClientsWaitForAStreamInOrder(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
		var order []int
		short, giveUp := context.WithCancel(context.Background())
		for i := range 9 {
			ctx := context.Background()
			if i == 2 || i == 5 || i == 8 {
				ctx = short
			}
			go func() {
				if _, err := c.Open(ctx, get("/"), true); err == nil {
					order = append(order, i) // one at a time
				}
			}()
			synctest.Wait()
		}
		require.Equal(t, []int{0, 1}, order)
		giveUp()
		synctest.Wait()
		for id := range uint32(5) {
			r.ok(r.headers(2*id+1, true, []Field{{Name: ":status", Value: "204"}}))
			synctest.Wait()
			require.Len(t, order, min(6, int(id)+3))
		}
		require.Equal(t, []int{0, 1, 3, 4, 6, 7}, order)
		require.Zero(t, c.line.Len())

		full := make(chan error, 2)
		for range cap(full) { // the end of the connection wakes all
			go func() {
				for {
					if _, err := c.Open(context.Background(), get("/"), true); err != nil {
						full <- err
						return
					}
				}
			}()
		}
		synctest.Wait()
		c.Abort(io.ErrClosedPipe)
		for range cap(full) {
			require.Error(t, <-full)
		}
	})
}

// TestGoAwayTellsWhatMayBeRepeated requires GOAWAY to end the streams that the server has not processed, and no others.
func TestGoAwayTellsWhatMayBeRepeated(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, ran <-chan error) {
		one, err := c.Open(context.Background(), get("/"), true)
		r.ok(err)
		two, err := c.Open(context.Background(), get("/"), true)
		r.ok(err)
		r.ok(r.fr.WriteGoAway(1, frames.ErrCodeNo, []byte("bye")))
		_, err = two.Head(context.Background())
		var reset *StreamError
		require.True(t, errors.As(err, &reset) && reset.Unprocessed())
		<-c.Done()
		_, err = c.Open(context.Background(), get("/"), true)
		require.True(t, errors.As(err, &reset) && reset.Unprocessed())
		r.ok(r.headers(1, true, []Field{{Name: ":status", Value: "200"}}))
		h, err := one.Head(context.Background())
		r.ok(err)
		require.Equal(t, 200, h.Status)
		require.NoError(t, <-ran)
	})
}

// TestClientRefusesMalformedResponses requires the end of the stream, not of the connection.
func TestClientRefusesMalformedResponses(t *testing.T) {
	for name, head := range map[string][]Field{
		"no status":     {{Name: "x", Value: "y"}},
		"two digits":    {{Name: ":status", Value: "20"}},
		"below 100":     {{Name: ":status", Value: "099"}},
		"101":           {{Name: ":status", Value: "101"}},
		"method":        {{Name: ":status", Value: "200"}, {Name: ":method", Value: "GET"}},
		"upper case":    {{Name: ":status", Value: "200"}, {Name: "X", Value: "y"}},
		"line break":    {{Name: ":status", Value: "200"}, {Name: "x", Value: "a\r\nb"}},
		"connection":    {{Name: ":status", Value: "200"}, {Name: "connection", Value: "close"}},
		"length":        {{Name: ":status", Value: "200"}, {Name: "content-length", Value: "x"}},
		"length unmet":  {{Name: ":status", Value: "200"}, {Name: "content-length", Value: "1"}},
		"100 as an end": {{Name: ":status", Value: "100"}},
	} {
		t.Run(name, func(t *testing.T) {
			inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
				s, err := c.Open(context.Background(), get("/"), true)
				r.ok(err)
				r.ok(r.headers(1, true, head))
				_, err = s.Head(context.Background())
				require.Equal(t, ProtocolError, codeOf(err))
				require.Contains(t, r.heard(), "RST_STREAM 1 PROTOCOL_ERROR")
				require.NoError(t, c.Err())
			})
		})
	}
}

func TestHeadHasALengthAndNoBody(t *testing.T) {
	c, _ := connect(t, nil, nil, func(x *exchange) {
		_ = x.Out.Respond(context.Background(), []Field{{Name: ":status", Value: "200"}, {Name: "content-length", Value: "7"}}, nil, true, nil)
	})
	h, body := ask(t, c, request("HEAD", "/"))
	require.EqualValues(t, 7, h.Length)
	require.Empty(t, body)
}

// TestAnswerToConnectHasNoLength tests RFC 9110 9.3.6: the Content-Length of a 2xx reply is ignored, and that of a
// refusal is not.
func TestAnswerToConnectHasNoLength(t *testing.T) {
	for status, ignored := range map[string]bool{"200": true, "403": false} {
		inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
			s, err := c.Open(context.Background(), []Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "a:1"}}, false)
			r.ok(err)
			r.ok(r.headers(1, false, []Field{{Name: ":status", Value: status}, {Name: "content-length", Value: "1"}}))
			_, err = s.Head(context.Background())
			r.ok(err)
			r.ok(r.fr.WriteData(1, true, []byte("hello")))
			body, err := io.ReadAll(reader{&s.In})
			if ignored {
				require.NoError(t, err)
				require.Equal(t, "hello", string(body))
				s.Reset(Cancel, nil)
			} else {
				require.Equal(t, ProtocolError, codeOf(err))
			}
		})
	}
}

func TestHugeHeadIsSplit(t *testing.T) {
	c, _ := connect(t, nil, nil, func(x *exchange) {
		head := []Field{{Name: ":status", Value: "200"}}
		for i := range 40 {
			head = append(head, Field{Name: "x-" + itoa(uint32(i)), Value: strings.Repeat("Ä", 1000)})
		}
		_ = x.Out.Respond(context.Background(), head, nil, true, nil)
	})
	h, _ := ask(t, c, get("/"))
	require.Len(t, h.Fields, 40)
}

func TestPingIsARoundTrip(t *testing.T) {
	c, _ := connect(t, nil, nil, hello)
	require.NoError(t, c.Ping(t.Context()))
	c.Abort(nil)
	require.Error(t, c.Ping(t.Context()))
}

// TestPingLeavesAtOnce sends a PING on a connection that has nothing else to send.
func TestPingLeavesAtOnce(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
		answered := make(chan error, 1)
		go func() { answered <- c.Ping(context.Background()) }()
		require.Equal(t, 1, r.count("PING"))
		var key [8]byte
		copy(key[:], "p\x00\x00\x00\x00\x00\x00\x01")
		r.ok(r.fr.WritePing(true, key))
		require.NoError(t, <-answered)
	})
}

// TestConnWhosePeerDoesNotEndItsSideIsReset closes a tunnel. The other end then has a short time to close it too.
func TestConnWhosePeerDoesNotEndItsSideIsReset(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
		s, err := c.Open(context.Background(), []Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b:443"}}, false)
		r.ok(err)
		r.ok(r.headers(1, false, ok200))
		_, err = s.Head(context.Background())
		r.ok(err)
		closed := make(chan error, 1)
		go func() { closed <- s.Conn(nil).Close() }()
		require.Contains(t, r.heard(), "DATA 1 0 END")
		time.Sleep(stream.DefaultCloseWait - time.Nanosecond)
		require.NotContains(t, r.heard(), "RST_STREAM")
		time.Sleep(time.Nanosecond)
		require.Contains(t, r.heard(), "RST_STREAM 1 CANCEL")
		<-closed
	})
}

func TestLastStreamIDIsUsed(t *testing.T) {
	c, _ := connect(t, nil, nil, hello)
	c.mu.Lock()
	c.nextOut = 1<<31 - 1
	c.mu.Unlock()
	h, body := ask(t, c, get("/"))
	require.Equal(t, 200, h.Status)
	require.Equal(t, "hello", body)
	require.ErrorIs(t, c.Err(), errExhausted)
	_, err := c.Open(t.Context(), get("/"), true)
	require.ErrorIs(t, err, errExhausted)
}
