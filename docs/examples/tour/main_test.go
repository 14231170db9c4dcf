package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

var ports = regexp.MustCompile(`127\.0\.0\.1([: ])\d+`)

func TestTourRunsThrough(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, true))
	require.Equal(t, whatHappens, ports.ReplaceAllString(out.String(), "127.0.0.1${1}PORT"))
}

const whatHappens = `1. Echo: pipeline.Connect(ctx, c.In, c.Out)
   server  tcp 127.0.0.1:PORT (listening, 0 open)
   client  sends "hello, streams"
   client  receives "hello, streams"
   client  ends its side, and can still receive
   client  receives io.EOF: the server has ended its side too

2. Typed values: codec.Frame(c, protocol)
   server  tcp 127.0.0.1:PORT (listening, 0 open)
   client  sends 0, receives 1, on the wire 00 00 00 01 31
   client  sends 41, receives 42, on the wire 00 00 00 02 34 32
   client  sends 82, receives 83, on the wire 00 00 00 02 38 33

3. Channels and select: <-a.In.C(ctx), <-b.In.C(ctx)
   server  tcp 127.0.0.1:PORT (listening, 0 open)
   bob     hears "hello, who is there?"
   alice   hears "it is me"
   bob     hears that alice has hung up: true

4. A cancelled Recv has taken nothing
   server  tcp 127.0.0.1:PORT (listening, 0 open)
   client  Recv returns: no patience left
   client  Recv returns: 1234567890

5. Graceful shutdown: ln.Shutdown(ctx)
   client  receives "yes"
   server  tcp 127.0.0.1:PORT (listening, 1 open)
   server  is told to shut down
   client  receives "goodbye"
   client  receives the end of the stream: true
   server  tcp 127.0.0.1:PORT (closed, 0 open); Shutdown returned <nil>

6. A panic ends its own connection
   server  tcp 127.0.0.1:PORT (listening, 0 open)
level=ERROR msg="servers: handler failed" err="chanio: panic: did not expect that"
   client 1 is reset: true
   client 2 receives "hello"

7. HTTP and WebSocket: httpd.New(handler, nil), httpd.WebSocket(visit, nil)
   server  tcp 127.0.0.1:PORT (listening, 0 open)
   client  GET / is 200, and the page ends: true
   client  GET /numbers yields 0 1 2 3 4 5 6 7 8 9, one every 100 ms
   alice   hears "bob is here"
   alice   hears "bob: hello, room"

`

// The tour and its servers stay up until ctx ends.
func TestTourStaysUntilItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, out, false) }()
	var all strings.Builder
	buf := make([]byte, 1024)
	for !strings.Contains(all.String(), "Ctrl-C ends the tour.") {
		n, err := said.Read(buf)
		require.NoError(t, err)
		all.Write(buf[:n])
	}
	require.Contains(t, ports.ReplaceAllString(all.String(), "127.0.0.1${1}PORT"), "   increment  nc 127.0.0.1 PORT\n")
	cancel()
	require.NoError(t, <-result)
}
