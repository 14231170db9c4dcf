package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// client is the far end of a member's connection.
type client struct {
	*testing.T
	*chanio.Duplex[string, string]
	conn *chanio.Conn
	left chan error // what member returned
}

// join sends the room and the name of a client.
func join(t *testing.T, rooms *bus.Bus[string, string], room, name string) *client {
	t.Helper()
	near, far := chanio.Pipe()
	c := &client{t, codec.Frame(far, codec.Lines), far, make(chan error, 1)}
	go func() {
		c.left <- member(t.Context(), near, rooms)
		_ = near.Close()
	}()
	c.say(room)
	c.say(name)
	synctest.Wait()
	return c
}

func (c *client) say(line string) {
	c.Helper()
	require.NoError(c, c.Out.Send(c.Context(), line))
}

func (c *client) hears(want string) {
	c.Helper()
	line, err := c.In.Recv(c.Context())
	require.NoError(c, err)
	require.Equal(c, want, line)
}

func (c *client) leave() {
	c.Helper()
	require.NoError(c, c.Out.Close())
	require.NoError(c, <-c.left)
	_, err := c.In.Recv(c.Context())
	require.Equal(c, io.EOF, err)
	require.NoError(c, c.conn.Close())
}

func TestEverybodyInTheRoomHearsEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rooms := bus.New[string, string]()
		alice, bob := join(t, rooms, "shoes", "Alice"), join(t, rooms, "shoes", "Bob")
		carol := join(t, rooms, "ships", "Carol")
		alice.say("hello")
		alice.hears("Alice: hello")
		bob.hears("Alice: hello")
		bob.say("hi!")
		alice.hears("Bob: hi!")
		bob.hears("Bob: hi!")
		carol.say("anybody?")
		carol.hears("Carol: anybody?")

		alice.leave()
		bob.say("still there?")
		bob.hears("Bob: still there?")
		bob.leave()
		carol.leave()
		require.Empty(t, rooms.Topics())
	})
}

func TestASlowMemberIsCutOffAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rooms := bus.New[string, string]()
		slow, fast := join(t, rooms, "shoes", "Slow"), join(t, rooms, "shoes", "Fast")
		line := strings.Repeat("x", 1000)
		for i := range 1000 { // a megabyte, of which slow reads nothing
			fast.say(fmt.Sprint(i, line))
			fast.hears(fmt.Sprint("Fast: ", i, line))
		}
		require.ErrorIs(t, <-slow.left, pipeline.ErrOverflow)
		require.Len(t, rooms.Subscribers("shoes"), 1)
		fast.leave()
		require.NoError(t, slow.conn.Close())
	})
}

func TestAClientThatLeavesEarlyIsNoError(t *testing.T) {
	for _, said := range []string{"", "room\n", "room\nname\n"} {
		near, far := chanio.Pipe()
		require.NoError(t, far.Out.Send(t.Context(), []byte(said)))
		require.NoError(t, far.Out.Close())
		require.NoError(t, member(t.Context(), near, bus.New[string, string]()))
		require.NoError(t, near.Close())
		require.NoError(t, far.Close())
	}
}

func TestChatOverTCP(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, "127.0.0.1:0", out) }()
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	nc, err := net.Dial("tcp", strings.Fields(string(line[:n]))[1])
	require.NoError(t, err)
	_, err = io.WriteString(nc, "shoes\nAlice\nhello\n")
	require.NoError(t, err)
	n, err = nc.Read(line)
	require.NoError(t, err)
	require.Equal(t, "Alice: hello\n", string(line[:n]))
	require.NoError(t, nc.Close())
	cancel()
	require.NoError(t, <-result)
}
