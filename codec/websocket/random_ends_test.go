package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// TestRandomEndsKeepAPrefix has both sides send and receive in random ways until one of them ends the connection in a
// random way. What a side receives is a prefix of what the other has sent, and all of that if it ends with io.EOF.
func TestRandomEndsKeepAPrefix(t *testing.T) {
	for range 6 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			randomEnd(t, seed)
		})
	}
}

// side is one end of a connection in such a test.
type side struct {
	t    *testing.T
	conn *websocket.Conn
	ctx  context.Context // ends the sending
	stop context.CancelFunc

	request context.Context // of the Config
	cancel  context.CancelFunc

	sent     []websocket.Message // accepted
	maybe    *websocket.Message  // given to a call that failed: some of it may have been sent
	received []websocket.Message
	left     map[int]bool // of these, those whose parts were left early
	end      error        // of In
}

func newSide(t *testing.T, below *chanio.Conn, client bool, x *websocket.Extension) *side {
	cfg := &websocket.Config{Client: client, MaxMessage: 100_000, Extension: x}
	if x != nil {
		cfg.Deflate = &websocket.Deflate{From: 100, Takeover: true}
	}
	s := &side{t: t, left: map[int]bool{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.request, s.cancel = context.WithCancel(context.Background())
	cfg.Context = s.request
	s.conn = websocket.NewConn(below, cfg)
	return s
}

func randomEnd(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	var x *websocket.Extension
	if n := r.IntN(3); n > 0 {
		x = &websocket.Extension{ServerNoTakeover: n == 1, ClientNoTakeover: r.IntN(2) == 0, ClientBits: 9 + r.IntN(7)}
	}
	a, b := chanio.Pipe()
	sides := []*side{newSide(t, a, true, x), newSide(t, b, false, x)}
	var group sync.WaitGroup
	for i, s := range sides {
		group.Go(func() { s.send(rand.New(rand.NewPCG(seed, uint64(i+1)))) })
		group.Go(func() { s.receive(rand.New(rand.NewPCG(seed, uint64(i+3)))) })
	}
	time.Sleep(time.Duration(r.IntN(5000)) * time.Millisecond)
	how := r.IntN(7)
	s := sides[r.IntN(2)]
	switch how {
	case 0:
		s.stop() // the sender returns, and closes Out
	case 1:
		_ = s.conn.CloseWith(4000, "bye")
	case 2:
		s.conn.Abort(&websocket.CloseError{Code: 4001})
	case 3:
		s.conn.Below().Drain(errors.New("shutdown"))
	case 4:
		s.cancel()
	case 5:
		_ = s.conn.In.Close()
		s.stop()
	default:
		s.conn.Abort(errors.New("cut"))
	}
	group.Wait()
	for _, s := range sides {
		<-s.conn.Done()
	}
	for i, s := range sides {
		s.check(sides[1-i], how)
	}
}

// check compares what s has received with what other has sent.
func (s *side) check(other *side, how int) {
	t := s.t
	sent := other.sent
	if s.end != io.EOF && other.maybe != nil {
		sent = append(sent, *other.maybe)
	}
	require.LessOrEqual(t, len(s.received), len(sent), "way %d, %v", how, s.end)
	for i, m := range s.received {
		require.Equal(t, sent[i].Kind, m.Kind, "message %d, way %d", i, how)
		if s.left[i] {
			require.True(t, bytes.HasPrefix(sent[i].Data, m.Data), "part of message %d, way %d: %d bytes", i, how, len(m.Data))
			continue
		}
		require.True(t, bytes.Equal(sent[i].Data, m.Data), "message %d, way %d: %d bytes, want %d", i, how, len(m.Data), len(sent[i].Data))
	}
	if s.end == io.EOF {
		require.Len(t, s.received, len(sent), "way %d", how)
	}
	mine, _, heard := s.conn.CloseStatus()
	var end *websocket.CloseError
	switch {
	case s.end == io.EOF:
		require.True(t, heard)
	case errors.As(s.end, &end) && heard && !end.Local && end.Code != 4001 && end.Code != websocket.Abnormal:
		require.Equal(t, end.Code, mine)
	}
}

func (s *side) send(r *rand.Rand) {
	defer func() { _ = s.conn.Out.Close() }()
	for range 400 {
		p := []byte(sentences([]int{0, 1, 99, 200, 3000, 20_000, 60_000}[r.IntN(7)]))
		for i := range min(len(p), 8) {
			p[i] = byte('a' + r.IntN(26))
		}
		m := websocket.Message{Kind: []websocket.Kind{websocket.TextMessage, websocket.BinaryMessage}[r.IntN(2)], Data: p}
		if !s.one(r, m) {
			return
		}
		if r.IntN(10) == 0 {
			time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond)
		}
	}
}

// one sends m. It returns false when nothing more can be sent.
func (s *side) one(r *rand.Rand, m websocket.Message) bool {
	ctx, cancel := context.WithTimeout(s.ctx, time.Duration(r.IntN(4000))*time.Millisecond)
	defer cancel()
	var err error
	accepted := true
	switch r.IntN(5) {
	case 0:
		accepted, err = s.conn.Out.TrySend(m)
	case 1:
		if err = s.parts(r, m); err != nil {
			s.maybe = &m
			return false
		}
	case 2:
		m, _ = websocket.Prepare(m)
		err = s.conn.Out.Send(ctx, m)
	case 3:
		_, err = s.conn.Ping(ctx)
		accepted = false
	default:
		err = s.conn.Out.Send(ctx, m)
	}
	switch {
	case err == nil && accepted:
		s.sent = append(s.sent, m)
	case err != nil && ctx.Err() == nil: // of the connection
		s.maybe = &m
	}
	return s.ctx.Err() == nil && s.conn.Out.Err() == nil
}

func (s *side) parts(r *rand.Rand, m websocket.Message) error {
	out, err := s.conn.SendParts(context.Background(), m.Kind)
	for p := m.Data; err == nil && len(p) > 0; {
		n := 1 + r.IntN(len(p))
		err = out.Send(context.Background(), p[:n])
		p = p[n:]
	}
	if err != nil {
		return err
	}
	return out.Close()
}

// leave receives some parts of a message and reports whether there was one. An error is for the next receive.
func (s *side) leave(r *rand.Rand, m *websocket.Message) bool {
	short, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(400))*time.Millisecond)
	defer cancel()
	kind, parts, err := s.conn.RecvParts(short, 0)
	if err != nil {
		return false
	}
	m.Kind = kind
	for range r.IntN(4) {
		p, err := parts.Recv(short)
		if err != nil {
			break
		}
		m.Data = append(m.Data, p...)
	}
	_ = parts.Close()
	return true
}

func (s *side) receive(r *rand.Rand) {
	ctx := context.Background()
	for {
		var m websocket.Message
		var err error
		ok := true
		if r.IntN(6) == 0 {
			time.Sleep(time.Duration(r.IntN(900)) * time.Millisecond)
		}
		switch r.IntN(5) {
		case 4:
			if ok = s.leave(r, &m); ok {
				s.left[len(s.received)] = true
			}
		case 0:
			m, ok, err = s.conn.In.TryRecv()
		case 1:
			short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(50))*time.Millisecond)
			m, err = s.conn.In.Recv(short)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				continue
			}
		case 2:
			var parts *chanio.Source[[]byte]
			if m.Kind, parts, err = s.conn.RecvParts(ctx, 0); err == nil {
				for p := range parts.All(ctx) {
					m.Data = append(m.Data, p...)
				}
				ok = parts.Err() == nil // otherwise the next receive has the error
			}
		default:
			m, err = s.conn.In.Recv(ctx)
		}
		if err != nil {
			s.end = err
			return
		}
		if ok {
			s.received = append(s.received, m)
		}
	}
}
