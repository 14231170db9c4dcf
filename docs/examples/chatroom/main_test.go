package main

import (
	"context"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// chatter is a client.
type chatter struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn
}

func join(t *testing.T, url, room, name string) *chatter {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	client := httpc.New(nil)
	t.Cleanup(func() { _ = client.Close() })
	conn, err := client.DialWebSocket(ctx, strings.Replace(url, "http", "ws", 1)+"/chat", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := &chatter{t, ctx, conn}
	c.say(room)
	c.say(name)
	return c
}

func (c *chatter) say(text string) {
	require.NoError(c.t, c.conn.Out.Send(c.ctx, websocket.Text(text)))
}

func (c *chatter) hears(want string) {
	m, err := c.conn.In.Recv(c.ctx)
	require.NoError(c.t, err)
	require.Equal(c.t, want, m.String())
}

// present sends a message until it receives it, and so is in the room.
func (c *chatter) present(name string) {
	c.say("here")
	c.hears(name + ": here")
}

func TestMembersOfARoomHearEachOtherAndNobodyElse(t *testing.T) {
	srv := httptest.NewServer(handler())
	defer srv.Close()
	ann := join(t, srv.URL, "lobby", "ann")
	ann.present("ann")
	bob := join(t, srv.URL, "lobby", "bob")
	bob.present("bob")
	ann.hears("bob: here")
	eve := join(t, srv.URL, "cellar", "eve")
	eve.present("eve")
	ann.say("hello, bob")
	bob.hears("ann: hello, bob")
	ann.hears("ann: hello, bob")
	eve.present("eve")
}

// TestSlowMemberIsCutOffAndDelaysNobody has one member of four that reads nothing.
func TestSlowMemberIsCutOffAndDelaysNobody(t *testing.T) {
	const messages, batch = 4000, 40 // of 3 KiB: more than the buffers of a connection and a queue hold, in steps that a queue does
	srv := httptest.NewServer(handler())
	defer srv.Close()
	var all []*chatter
	for _, name := range []string{"slow", "ann", "bob", "eve"} {
		c := join(t, srv.URL, "lobby", name)
		c.present(name)
		for _, other := range all {
			if other != all[0] {
				other.hears(name + ": here")
			}
		}
		all = append(all, c)
	}
	slow, others := all[0], all[1:]
	long := strings.Repeat("x", 3<<10)
	for range messages / batch {
		for range batch {
			others[0].say(long)
		}
		for _, c := range others {
			for range batch {
				c.hears("ann: " + long)
			}
		}
	}
	heard := 0
	for {
		_, err := slow.conn.In.Recv(slow.ctx)
		if err != nil {
			var end *websocket.CloseError
			require.ErrorAs(t, err, &end)
			break
		}
		heard++
	}
	require.Less(t, heard, messages)
}

func TestClientThatSaysNothingOrIsNobodyIsTurnedAway(t *testing.T) {
	srv := httptest.NewServer(handler())
	defer srv.Close()
	c := join(t, srv.URL, "lobby", "")
	_, err := c.conn.In.Recv(c.ctx)
	require.Error(t, err)
	code, _, _ := c.conn.CloseStatus()
	require.Equal(t, websocket.PolicyViolation, code)
}

func TestThePageIsServed(t *testing.T) {
	srv := httptest.NewServer(handler())
	defer srv.Close()
	client := httpc.New(nil)
	defer client.Close()
	resp, err := client.Get(t.Context(), srv.URL)
	require.NoError(t, err)
	text, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Contains(t, text, "new WebSocket")
}

func TestAddressInUseIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.Error(t, run(t.Context(), ln.Addr().String(), io.Discard))
}
