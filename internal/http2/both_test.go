package http2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequestAndResponse(t *testing.T) {
	c, _ := connect(t, nil, nil, func(x *exchange) {
		x.respond(200, x.request.Method+" "+x.request.Path+" "+x.request.Authority)
	})
	h, body := ask(t, c, get("/a?b"))
	require.Equal(t, 200, h.Status)
	require.Equal(t, "GET /a?b example.org", body)
	require.Zero(t, c.InFlight())
}

func TestManyStreamsAtOnce(t *testing.T) {
	c, _ := connect(t, nil, nil, func(x *exchange) { x.respond(200, strings.Repeat(x.request.Path, 5000)) })
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			path := fmt.Sprintf("/%d", i)
			h, body := ask(t, c, get(path))
			if h.Status != 200 || body != strings.Repeat(path, 5000) {
				t.Error(path, h.Status, len(body))
			}
		})
	}
	all.Wait()
}

func TestBodiesBothWaysWithTrailers(t *testing.T) {
	const size = 9 << 20 // more than any window
	c, _ := connect(t, nil, nil, func(x *exchange) {
		_ = x.Out.Headers(context.Background(), []Field{{Name: ":status", Value: "103"}})
		_ = x.Out.Headers(context.Background(), []Field{{Name: ":status", Value: "200"}})
		n, err := io.Copy(writer{&x.Out}, reader{&x.In})
		if err != nil || n != size {
			t.Error(n, err)
		}
		_ = x.Out.Finish(context.Background(), nil, append(x.Trailers(), Field{Name: "x-own", Value: "2"}))
	})
	s, err := c.Open(t.Context(), request("POST", "/", "content-length", fmt.Sprint(size)), false)
	require.NoError(t, err)
	sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	go func() {
		_, _ = io.Copy(writer{&s.Out}, bytes.NewReader(sent))
		_ = s.Out.Finish(context.Background(), nil, []Field{{Name: "x-sum", Value: "1"}})
	}()
	h, err := s.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, 103, h.Status)
	h, body := answer(t, s)
	require.Equal(t, 200, h.Status)
	require.True(t, body == string(sent))
	require.Equal(t, []Field{{Name: "x-sum", Value: "1"}, {Name: "x-own", Value: "2"}}, s.Trailers())
	<-s.Done()
}

// writer is a Writer as an io.Writer.
type writer struct{ out *Writer }

func (w writer) Write(p []byte) (int, error) {
	if err := w.out.Send(context.Background(), p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func TestShutdownLetsStreamsFinish(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	c, s := connect(t, nil, nil, func(x *exchange) {
		close(entered)
		<-goOn
		x.respond(200, "late")
	})
	st, err := c.Open(t.Context(), get("/"), true)
	require.NoError(t, err)
	<-entered
	s.Shutdown()
	<-c.Done()
	_, err = c.Open(t.Context(), get("/"), true)
	require.ErrorContains(t, err, "GOAWAY")
	close(goOn)
	_, body := answer(t, st)
	require.Equal(t, "late", body)
}

func TestResetReachesTheHandler(t *testing.T) {
	why := make(chan *StreamError, 1)
	c, _ := connect(t, nil, nil, func(x *exchange) {
		<-x.gone
		why <- x.why
	})
	s, err := c.Open(t.Context(), get("/"), true)
	require.NoError(t, err)
	s.Reset(Cancel, nil)
	got := <-why
	require.Equal(t, Cancel, got.Code)
	require.True(t, got.Remote)
	_, err = s.Head(t.Context())
	require.Equal(t, Cancel, codeOf(err))
}

// TestWholeBodyIsHadAtOnce tests bodies that have arrived and bodies that must be read.
func TestWholeBodyIsHadAtOnce(t *testing.T) {
	status := []Field{{Name: ":status", Value: "200"}}
	for name, c := range map[string]struct {
		send  func(x *exchange)
		whole bool
	}{
		"short":    {func(x *exchange) { x.respond(200, "hello") }, true},
		"none":     {func(x *exchange) { x.respond(200, "") }, true},
		"too long": {func(x *exchange) { x.respond(200, strings.Repeat("x", 101)) }, false},
		"trailers": {func(x *exchange) {
			_ = x.Out.Respond(context.Background(), status, []byte("hello"), true, []Field{{Name: "x-sum", Value: "1"}})
		}, false},
		"reset": {func(x *exchange) {
			_ = x.Out.Respond(context.Background(), status, []byte("hello"), false, nil)
			x.Reset(Cancel, nil)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cl, _ := connect(t, nil, nil, c.send)
			s, err := cl.Open(t.Context(), get("/"), true)
			require.NoError(t, err)
			<-s.Done()
			p, ok := s.In.Whole(100)
			require.Equal(t, c.whole, ok)
			if name == "short" {
				require.Equal(t, "hello", string(p))
			}
			if c.whole {
				_, err = s.In.Next(t.Context())
				require.Equal(t, io.EOF, err)
			}
		})
	}
}

// TestPartOfABodyIsNotAllOfIt first reads some of what has arrived.
func TestPartOfABodyIsNotAllOfIt(t *testing.T) {
	c, _ := connect(t, nil, nil, hello)
	s, err := c.Open(t.Context(), get("/"), true)
	require.NoError(t, err)
	<-s.Done()
	n, err := s.In.Read(t.Context(), make([]byte, 2))
	require.NoError(t, err)
	_, ok := s.In.Whole(100)
	require.False(t, ok)
	rest, err := io.ReadAll(reader{&s.In})
	require.NoError(t, err)
	require.Equal(t, "hello"[n:], string(rest))
}

// TestBodyThatIsReadInAnyWayIsTheOneThatWasSent reads frames of any length in pieces, some of which are kept, while
// others arrive: chunks that were read are reused, and others share their arrays.
func TestBodyThatIsReadInAnyWayIsTheOneThatWasSent(t *testing.T) {
	const size = 4 << 20
	sent := make([]byte, size)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	got := make(chan []byte, 1)
	c, _ := connect(t, nil, nil, func(x *exchange) {
		random := rand.New(rand.NewPCG(3, 4))
		var all []byte
		var kept [][]byte
		var err error
		for err == nil {
			switch random.IntN(3) {
			case 0:
				p := make([]byte, 1+random.IntN(3000))
				var n int
				n, err = x.In.Read(context.Background(), p)
				kept = append(kept, p[:n])
			case 1:
				var p []byte
				p, err = x.In.Next(context.Background())
				kept = append(kept, p)
			default:
				if err = x.In.Fill(context.Background(), 1); err == nil {
					n := min(len(x.In.Buffered()), 1+random.IntN(3000))
					kept = append(kept, bytes.Clone(x.In.Buffered()[:n]))
					x.In.Discard(n)
				}
			}
		}
		for _, p := range append(kept, x.In.Buffered()) { // Fill waits for more, so the end may come before the last bytes are taken
			all = append(all, p...)
		}
		got <- all
		x.respond(200, "")
	})
	s, err := c.Open(t.Context(), request("POST", "/"), false)
	require.NoError(t, err)
	for rest := sent; len(rest) > 0; {
		n := min(len(rest), 1+random.IntN(1+random.IntN(20_000)))
		require.NoError(t, s.Out.Send(t.Context(), rest[:n]))
		rest = rest[n:]
	}
	require.NoError(t, s.Out.Finish(t.Context(), nil, nil))
	require.True(t, bytes.Equal(sent, <-got))
}
