package servers_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/bulk"
	"github.com/weir-go/weir/servers"
	"golang.org/x/sync/errgroup"
)

// Both sides send as much as they can and end their side, concurrently. Each receives all of the other's data, then the
// end. With WEIR_LONG=1 it is 1 GiB each way, or an eighth of that with the race detector.
func TestG7TransfersArriveBitForBitBothWaysAtOnce(t *testing.T) {
	for name, connect := range transports {
		for _, size := range sizes() {
			t.Run(fmt.Sprintf("%s %d", name, size), func(t *testing.T) {
				near, far := connect(t)
				var ways errgroup.Group
				ways.Go(func() error { return exchange(t, near, bulk.New(1, size), bulk.New(2, size)) })
				ways.Go(func() error { return exchange(t, far, bulk.New(2, size), bulk.New(1, size)) })
				require.NoError(t, ways.Wait())
				for _, c := range []*chanio.Conn{near, far} {
					<-c.Done()
					require.NoError(t, c.Cause())
					require.Equal(t, chanio.ConnStats{BytesIn: size, BytesOut: size}, c.Stats())
				}
			})
		}
	}
}

// sizes are the sizes of transfers, in bytes.
func sizes() []int64 {
	sizes := []int64{64 << 10, 1 << 20, 16<<20 + 1}
	switch {
	case os.Getenv("WEIR_LONG") != "1":
	case raceEnabled:
		sizes = append(sizes, 128<<20)
	default:
		sizes = append(sizes, 1<<30)
	}
	return sizes
}

// exchange sends one Stream and receives the other, each to its end.
func exchange(t testing.TB, c *chanio.Conn, send, receive *bulk.Stream) error {
	var ways errgroup.Group
	ways.Go(func() error {
		for send.Left() > 0 {
			if err := c.Out.Send(t.Context(), send.Next(30_000)); err != nil {
				return err
			}
		}
		return c.Out.Close()
	})
	ways.Go(func() error {
		for chunk := range c.In.All(t.Context()) {
			if _, err := receive.Write(chunk); err != nil {
				return err
			}
		}
		if err := c.In.Err(); err != nil || receive.Left() > 0 {
			return fmt.Errorf("%d bytes are missing: %w", receive.Left(), err)
		}
		return nil
	})
	return ways.Wait()
}

func connectTCP(t testing.TB) (near, far *chanio.Conn) {
	ln := listen(t, nil)
	return accepted(t, ln, func() (*chanio.Conn, error) { return clients.DialTCP(t.Context(), ln.Addr().String(), nil) })
}

func connectTLS(t testing.TB) (near, far *chanio.Conn) {
	secure, config := signed(t)
	ln := listenTLS(t, secure, nil)
	return accepted(t, ln, func() (*chanio.Conn, error) {
		return clients.DialTLS(t.Context(), ln.Addr().String(), &clients.TLSConfig{RootCAs: config.RootCAs}, nil)
	})
}

// accepted returns both ends of a connection to ln, made by dial.
func accepted(t testing.TB, ln *servers.Listener, dial func() (*chanio.Conn, error)) (near, far *chanio.Conn) {
	waiting := future.Go(t.Context(), ln.Conns.Recv)
	far, err := dial()
	require.NoError(t, err)
	near, err = waiting.Await(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		near.Out.Abort(nil)
		far.Out.Abort(nil)
	})
	return near, far
}
