package chaniotest_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/codec"
)

// relayed returns the two ends of a connection through a relay, in memory or over TCP.
func relayed(t testing.TB, bubble bool) (r *chaniotest.Relay, client, server *chanio.Conn) {
	var nl net.Listener
	var err error
	var far net.Conn
	if bubble {
		var network chaniotest.Network
		front, err := network.Listen("front")
		require.NoError(t, err)
		nl, err = network.Listen("back")
		require.NoError(t, err)
		r = chaniotest.StartRelay(t, front, func(ctx context.Context) (net.Conn, error) {
			return network.DialContext(ctx, "mem", "back")
		})
		far, err = network.DialContext(t.Context(), "mem", "front")
		require.NoError(t, err)
	} else {
		nl, err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		r = chaniotest.NewRelay(t, nl.Addr())
		far, err = net.Dial("tcp", r.Addr().String())
		require.NoError(t, err)
	}
	near, err := nl.Accept()
	require.NoError(t, err)
	require.NoError(t, nl.Close())
	client, server = chanio.NewConn(far, nil), chanio.NewConn(near, nil)
	t.Cleanup(func() {
		client.Out.Abort(nil)
		server.Out.Abort(nil)
	})
	return r, client, server
}

func TestRelayPassesBytesAndBothEnds(t *testing.T) {
	_, client, server := relayed(t, false)
	sent := bytes.Repeat([]byte("there and back "), 100_000)
	echoed := future.Go(t.Context(), func(ctx context.Context) (int64, error) {
		n, err := chanio.Transfer(ctx, server.In, server.Out)
		if err == nil {
			err = server.Out.Close()
		}
		return n, err
	})
	sending := future.Go(t.Context(), func(ctx context.Context) (int, error) {
		if err := client.Out.Send(ctx, sent); err != nil {
			return 0, err
		}
		return len(sent), client.Out.Close()
	})
	got, err := io.ReadAll(chanio.NewReader(t.Context(), client.In))
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	_, err = echoed.Await(t.Context())
	require.NoError(t, err)
	_, err = sending.Await(t.Context())
	require.NoError(t, err)
}

func TestRelayDelaysBytesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayed(t, true)
		r.Set(chaniotest.Faults{Latency: 300 * time.Millisecond})
		start := time.Now()
		require.NoError(t, client.Out.Send(t.Context(), []byte("a")))
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, client.Out.Send(t.Context(), []byte("b")))
		require.NoError(t, client.Out.Close())
		for i, want := range []string{"a", "b"} { // the second is on its way while the first is
			chunk, err := server.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, string(chunk))
			require.Equal(t, time.Duration(300+100*i)*time.Millisecond, time.Since(start))
		}
		_, err := server.In.Recv(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

func TestRelayLimitsBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayed(t, true)
		r.Set(chaniotest.Faults{Bandwidth: 1000, Slice: 100})
		start := time.Now()
		require.NoError(t, client.Out.Send(t.Context(), make([]byte, 2500)))
		for n := 0; n < 2500; {
			chunk, err := server.In.Recv(t.Context())
			require.NoError(t, err)
			require.LessOrEqual(t, len(chunk), 100)
			n += len(chunk)
		}
		require.Equal(t, 2500*time.Millisecond, time.Since(start))
	})
}

func TestRelayStallsUntilToldOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayed(t, true)
		r.Set(chaniotest.Faults{Stall: true})
		require.NoError(t, client.Out.Send(t.Context(), []byte("hello")))
		require.NoError(t, client.Out.Close())
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := server.In.Recv(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.Set(chaniotest.Faults{})
		chunk, err := server.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", string(chunk))
		_, err = server.In.Recv(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

// The peer is gone without a word: only the idle timeout finds out.
func TestG19RelayVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, server := relayed(t, true)
		client = chanio.NewConn(client.NetConn(), &chanio.ConnConfig{IdleTimeout: time.Minute})
		start := time.Now()
		synctest.Wait()
		r.Vanish()
		_, err := server.In.Recv(t.Context())
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.NoError(t, client.Out.Send(t.Context(), []byte("anybody there?")))
		_, err = client.In.Recv(t.Context())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		client.Out.Abort(nil)
	})
}

// A framed exchange survives slices of one byte and a slow network.
func TestFramesSurviveSlicesAndLatency(t *testing.T) {
	frames := codec.Prefixed(codec.Uint32, codec.String)
	synctest.Test(t, func(t *testing.T) {
		r, near, far := relayed(t, true)
		r.Set(chaniotest.Faults{Latency: 50 * time.Millisecond, Bandwidth: 10_000, Slice: 1})
		client, server := codec.Frame(near, frames), codec.Frame(far, frames)
		served := future.Go(t.Context(), func(ctx context.Context) (n int, err error) {
			for text := range server.In.All(ctx) {
				if err := server.Out.Send(ctx, text+text); err != nil {
					return n, err
				}
				n++
			}
			return n, server.In.Err()
		})
		for _, text := range []string{"", "a", "hello", string(make([]byte, 1000))} {
			require.NoError(t, client.Out.Send(t.Context(), text))
			got, err := client.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, text+text, got)
		}
		require.NoError(t, client.Out.Close())
		n, err := served.Await(t.Context())
		require.NoError(t, err)
		require.Equal(t, 4, n)
	})
}

// Half a frame has come. A receiver, by Recv or from the channel, is told of the reset, and so is a sender.
func TestG15AResetSaysSoOnBothViews(t *testing.T) {
	frames := codec.Prefixed(codec.Uint32, codec.String)
	r, near, far := relayed(t, false)
	half := []byte{0, 0, 0, 9, 'h'}
	require.NoError(t, near.Out.Send(t.Context(), half))
	require.NoError(t, far.Out.Send(t.Context(), half))
	client, server := codec.Frame(near, frames), codec.Frame(far, frames)
	received := future.Go(t.Context(), func(ctx context.Context) (string, error) { return client.In.Recv(ctx) })
	values := server.In.C(t.Context())
	for near.Stats().BytesIn < 5 || far.Stats().BytesIn < 5 { // both wait for the rest
		runtime.Gosched()
	}
	r.Reset()
	_, err := received.Await(t.Context())
	require.ErrorIs(t, err, syscall.ECONNRESET)
	for range values {
		require.Fail(t, "half a frame was delivered")
	}
	require.ErrorIs(t, server.In.Err(), syscall.ECONNRESET)
	for _, d := range []*chanio.Duplex[string, string]{client, server} {
		for err = d.Out.Send(t.Context(), "more"); err == nil; err = d.Out.Send(t.Context(), "more") {
		}
		require.Error(t, err)
		require.NotErrorIs(t, err, net.ErrClosed)
	}
	require.ErrorIs(t, near.Cause(), syscall.ECONNRESET)
	require.ErrorIs(t, far.Cause(), syscall.ECONNRESET)
}
