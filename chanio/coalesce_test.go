package chanio_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// The frames of these tests: a length of four bytes and 64 bytes.
var (
	frames = codec.Prefixed(codec.Uint32, codec.Bytes)
	frame  = append([]byte{0, 0, 0, 64}, bytes.Repeat([]byte{'.'}, 64)...)
)

// echoLoop is the plain loop that needs no tuning.
func echoLoop(ctx context.Context, conn *chanio.Conn) error {
	framed := codec.Frame(conn, frames)
	for {
		v, err := framed.In.Recv(ctx)
		if err == io.EOF {
			return framed.Close()
		}
		if err != nil {
			return err
		}
		if err := framed.Out.Send(ctx, v); err != nil {
			return err
		}
	}
}

func echoByConnect(ctx context.Context, conn *chanio.Conn) error {
	framed := codec.Frame(conn, frames)
	return pipeline.Connect(ctx, framed.In, framed.Out)
}

var echoes = map[string]func(context.Context, *chanio.Conn) error{"loop": echoLoop, "Connect": echoByConnect}

// onCounted runs f with the client's end of a connection to a server that echoes and counts its calls. It does so for a
// net.Conn that can write without blocking and for one that cannot.
func onCounted(t *testing.T, f func(t *testing.T, client net.Conn, server *chaniotest.Counter, blocks bool)) {
	for name, echo := range echoes {
		for _, blocks := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, writes that block: %t", name, blocks), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, far := chaniotest.Pipe(0)
					if blocks {
						far = foreignConn{far, far.(closeWriter)}
					}
					server, count := chaniotest.Count(far)
					served := make(chan error)
					go func() { served <- echo(t.Context(), chanio.NewConn(server, nil)) }()
					f(t, client, count, blocks)
					require.NoError(t, client.(closeWriter).CloseWrite())
					_, err := io.Copy(io.Discard, client)
					require.NoError(t, err)
					require.NoError(t, <-served)
					require.NoError(t, client.Close())
				})
			})
		}
	}
}

// exchange sends n frames at once and reads the n replies.
func exchange(t *testing.T, client net.Conn, n int) {
	t.Helper()
	_, err := client.Write(bytes.Repeat(frame, n))
	require.NoError(t, err)
	_, err = io.ReadFull(client, make([]byte, n*len(frame)))
	require.NoError(t, err)
}

func TestOneFrameInFlightIsOneWriteMadeBeforeTheNextRead(t *testing.T) {
	onCounted(t, func(t *testing.T, client net.Conn, server *chaniotest.Counter, blocks bool) {
		const rounds = 50
		began := time.Now()
		for range rounds {
			exchange(t, client, 1)
		}
		require.Zero(t, time.Since(began), "a reply waits for nothing")
		synctest.Wait()
		require.Equal(t, rounds, server.Writes())
		if !blocks { // otherwise a goroutine writes
			require.Equal(t, strings.Repeat("rw", rounds)+"r", server.Calls())
		}
	})
}

func TestManyFramesInFlightShareTheirWrites(t *testing.T) {
	onCounted(t, func(t *testing.T, client net.Conn, server *chaniotest.Counter, _ bool) {
		const rounds, window = 20, 64
		for range rounds {
			exchange(t, client, window)
		}
		synctest.Wait() // the last write has been counted when it has returned
		require.LessOrEqual(t, server.Writes(), rounds*window/16)
		require.EqualValues(t, rounds*window*len(frame), server.BytesWritten())
	})
}

// A slow handler does not delay for long the replies that it has already sent.
func TestTheDelayOfAReplyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, far := chaniotest.Pipe(0)
		framed := codec.Frame(chanio.NewConn(far, nil), frames)
		_, err := client.Write(bytes.Repeat(frame, 3))
		require.NoError(t, err)
		v, err := framed.In.Recv(t.Context())
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, framed.Out.Send(t.Context(), v)) // two more requests are at hand
		_, err = io.ReadFull(client, make([]byte, len(frame)))
		require.NoError(t, err)
		require.Equal(t, 200*time.Microsecond, time.Since(began))
		require.NoError(t, framed.Out.Send(t.Context(), v))
		_, err = io.ReadFull(client, make([]byte, len(frame)))
		require.NoError(t, err)
		require.Equal(t, 200*time.Microsecond, time.Since(began), "not twice before the next Recv")
		framed.Out.Abort(nil)
	})
}
