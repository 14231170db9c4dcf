package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// newPair returns a connected client and server.
func newPair(t *testing.T, clientCfg, serverCfg *websocket.Config) (client, server *websocket.Conn) {
	a, b := chanio.Pipe()
	c := websocket.Config{}
	if clientCfg != nil {
		c = *clientCfg
	}
	c.Client = true
	client, server = websocket.NewConn(a, &c), websocket.NewConn(b, serverCfg)
	t.Cleanup(func() {
		client.Abort(nil)
		server.Abort(nil)
	})
	return client, server
}

func TestEndsAsThePeerClosed(t *testing.T) {
	for code, want := range map[int]bool{1000: true, 1001: true, 1008: false, 4001: false} {
		roles(t, func(t *testing.T, client bool) {
			conn, peer := newRaw(t, client, nil)
			peer.send(text("last"), closeFrame(code, "why"))
			m, err := conn.In.Recv(peer.ctx)
			require.NoError(t, err)
			require.Equal(t, "last", m.String())
			_, err = conn.In.Recv(peer.ctx)
			if want {
				require.Equal(t, io.EOF, err)
				require.NoError(t, conn.In.Err())
			} else {
				var end *websocket.CloseError
				require.ErrorAs(t, err, &end)
				require.Equal(t, websocket.CloseError{Code: websocket.Code(code), Reason: "why"}, *end)
			}
			_, again := conn.In.Recv(peer.ctx)
			require.Equal(t, err, again)
			if want {
				require.NoError(t, conn.Out.Send(peer.ctx, websocket.Text("reply")))
				peer.expect(websocket.OpText, "reply")
				require.NoError(t, conn.Out.Close())
				require.ErrorIs(t, conn.Out.Send(peer.ctx, websocket.Text("x")), net.ErrClosed)
			} else {
				require.Equal(t, err, conn.Out.Send(peer.ctx, websocket.Text("x")))
			}
			peer.expectClose(websocket.Code(code))
			peer.expectEnd()
			if want {
				require.NoError(t, conn.Close())
			} else {
				require.Error(t, conn.Close())
			}
		})
	}
}

func TestEndWithoutACloseFrameIs1006(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		for _, before := range []string{"", "\x81", "\x81\x85\x00\x00", "part"} {
			conn, peer := newRaw(t, client, nil)
			switch before {
			case "":
			case "part":
				peer.send(frame(more, websocket.OpText, "half a message"))
			default:
				peer.write([]byte(before[:1]))
			}
			require.NoError(t, peer.conn.Out.Close())
			_, err := conn.In.Recv(peer.ctx)
			var end *websocket.CloseError
			require.ErrorAs(t, err, &end)
			require.Equal(t, websocket.Abnormal, end.Code)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			<-conn.Done()
		}
	})
}

func TestOutCloseDrainsAndInYieldsUpToThePeersClose(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		require.NoError(t, conn.Out.Send(peer.ctx, websocket.Text("accepted")))
		require.NoError(t, conn.Out.Close())
		require.ErrorIs(t, conn.Out.Send(peer.ctx, websocket.Text("late")), net.ErrClosed)
		peer.expect(websocket.OpText, "accepted")
		peer.expectClose(1000)
		peer.send(text("one"), text("two"), closeFrame(1000, ""))
		for _, want := range []string{"one", "two"} {
			m, err := conn.In.Recv(peer.ctx)
			require.NoError(t, err)
			require.Equal(t, want, m.String())
		}
		_, err := conn.In.Recv(peer.ctx)
		require.Equal(t, io.EOF, err)
		peer.expectEnd()
		_ = peer.conn.Close()
		<-conn.Done()
	})
}

func TestCloseWithSendsItsCodeAndWaitsForTheAnswer(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		closed := make(chan error, 2)
		go func() { closed <- conn.CloseWith(4000, "enough") }()
		require.Equal(t, "enough", peer.expectClose(4000))
		go func() { closed <- conn.CloseWith(4001, "too late") }()
		peer.send(text("dropped"), closeFrame(4000, ""))
		peer.expectEnd()
		_ = peer.conn.Close()
		require.NoError(t, <-closed)
		require.NoError(t, <-closed)
		_, err := conn.In.Recv(peer.ctx)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestCodesAndReasonsThatMustNotBeSentAreRefused(t *testing.T) {
	conn, peer := newEcho(t, false, nil)
	for _, code := range []websocket.Code{0, 999, 1004, 1005, 1006, 1015, 2999, 5000} {
		require.ErrorIs(t, conn.CloseWith(code, ""), websocket.ErrInvalidClose)
	}
	require.ErrorIs(t, conn.CloseWith(1000, strings.Repeat("x", 124)), websocket.ErrInvalidClose)
	require.ErrorIs(t, conn.CloseWith(1000, "\xff"), websocket.ErrInvalidClose)
	peer.send(text("still open"))
	peer.expect(websocket.OpText, "still open")
}

func TestAbortWithACloseErrorTellsThePeer(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		cause := &websocket.CloseError{Code: 4009, Reason: "go"}
		blocked := make(chan error)
		go func() {
			_, err := conn.In.Recv(peer.ctx)
			blocked <- err
		}()
		conn.Abort(cause)
		require.Equal(t, "go", peer.expectClose(4009))
		peer.expectEnd()
		require.Equal(t, error(cause), <-blocked)
		require.Equal(t, error(cause), conn.Out.Send(peer.ctx, websocket.Text("x")))
	})
}

func TestAbortWithAnotherErrorCutsTheConnection(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		cause := errors.New("broken")
		conn.Abort(cause)
		_, err := peer.conn.In.Recv(peer.ctx)
		require.Error(t, err)
		require.NotErrorIs(t, err, io.EOF)
		_, err = conn.In.Recv(peer.ctx)
		require.Equal(t, cause, err)
		<-conn.Done()
	})
}

func TestCancelledRecvKeepsTheConnectionAndWhatHasCome(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		ctx, cancel := context.WithCancel(peer.ctx)
		cancel()
		_, err := conn.In.Recv(ctx)
		require.ErrorIs(t, err, context.Canceled)
		p := peer.bytes(text(strings.Repeat("long ", 30_000)))
		for _, piece := range []int{1, 2, 6, 11, 70_000, 79_000} {
			sent := p[:piece]
			p = p[piece:]
			for len(sent) > 0 {
				n := min(len(sent), 10_000)
				peer.write(sent[:n])
				sent = sent[n:]
				ctx, cancel := context.WithTimeout(peer.ctx, 1e6)
				_, err := conn.In.Recv(ctx)
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
		}
		peer.write(p)
		m, err := conn.In.Recv(peer.ctx)
		require.NoError(t, err)
		require.True(t, m.String() == strings.Repeat("long ", 30_000))
	})
}

func TestMessagesThatMustNotBeSentAreRefusedAndNothingEnds(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		for _, bad := range []websocket.Message{{}, {Kind: 8}, websocket.Text("\xff")} {
			require.ErrorIs(t, conn.Out.Send(peer.ctx, bad), websocket.ErrMessage)
			n, err := conn.Out.SendAll(peer.ctx, websocket.Text("a"), bad, websocket.Text("b"))
			require.ErrorIs(t, err, websocket.ErrMessage)
			require.Equal(t, 1, n)
			peer.expect(websocket.OpText, "a")
			_, err = websocket.Prepare(bad)
			require.ErrorIs(t, err, websocket.ErrMessage)
		}
		require.NoError(t, conn.Out.Send(peer.ctx, websocket.Binary([]byte("\xff"))))
		peer.expect(websocket.OpBinary, "\xff")
	})
}

func TestClosedInDropsWhatComesAndAnswersPings(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		blocked := make(chan error)
		go func() {
			_, err := conn.In.Recv(peer.ctx)
			blocked <- err
		}()
		require.NoError(t, conn.In.Close())
		require.ErrorIs(t, <-blocked, net.ErrClosed)
		for range 100 {
			peer.send(frame(fin, websocket.OpBinary, strings.Repeat("x", 10_000)))
		}
		peer.send(frame(fin, websocket.OpPing, "p"))
		peer.expect(websocket.OpPong, "p")
		require.NoError(t, conn.Out.Send(peer.ctx, websocket.Text("still sends")))
		peer.expect(websocket.OpText, "still sends")
		peer.send(closeFrame(1000, ""))
		peer.expectClose(1000)
		peer.expectEnd()
	})
}

func TestDrainIs1001(t *testing.T) {
	conn, peer := newRaw(t, false, nil)
	conn.Below().Drain(errors.New("server shuts down"))
	peer.expectClose(1001)
	peer.send(text("last"), closeFrame(1001, ""))
	m, err := conn.In.Recv(peer.ctx)
	require.NoError(t, err)
	require.Equal(t, "last", m.String())
	_, err = conn.In.Recv(peer.ctx)
	require.Equal(t, io.EOF, err)
	peer.expectEnd()
}

// TestReasonsThatAreTooLongAreCut closes with reasons that a Close frame cannot carry as they are.
func TestReasonsThatAreTooLongAreCut(t *testing.T) {
	for reason, want := range map[string]string{
		strings.Repeat("x", 200):      strings.Repeat("x", 123),
		strings.Repeat("\u00e9", 100): strings.Repeat("\u00e9", 61),
		"not\xff UTF-8":               "not\ufffd UTF-8",
	} {
		end := &websocket.CloseError{Code: 4003, Reason: reason}
		ctx, cancel := context.WithCancelCause(t.Context())
		_, peer := newRaw(t, false, &websocket.Config{Context: ctx})
		cancel(end)
		require.Equal(t, want, peer.expectClose(4003))

		conn, peer := newRaw(t, false, nil)
		conn.Abort(end)
		require.Equal(t, want, peer.expectClose(4003))
	}
}

func TestContextEndsTheConnectionUnlessDetached(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	_, peer := newRaw(t, false, &websocket.Config{Context: ctx})
	kept, keptPeer := newRaw(t, false, &websocket.Config{Context: ctx})
	require.True(t, kept.Detach())
	cancel(&websocket.CloseError{Code: 4003, Reason: "r"})
	require.Equal(t, "r", peer.expectClose(4003))
	keptPeer.send(text("x"))
	_, err := kept.In.Recv(keptPeer.ctx)
	require.NoError(t, err)
	plain, end := context.WithCancel(t.Context())
	_, peer = newRaw(t, false, &websocket.Config{Context: plain})
	end()
	peer.expectClose(1000)
}
