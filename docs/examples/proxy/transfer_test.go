package main_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	proxy "github.com/weir-go/weir/docs/examples/proxy"
	"github.com/weir-go/weir/internal/bulk"
	"golang.org/x/sync/errgroup"
)

// Both sides send as much as they can and then end their side, concurrently, through the proxy. Each receives all data
// of the other and then its end. With WEIR_LONG=1 it is 1 GiB in each direction, or an eighth of that with the race
// detector.
func TestG7TransfersThroughAProxyArriveBitForBitBothWaysAtOnce(t *testing.T) {
	sizes := []int64{64 << 10, 1 << 20, 16<<20 + 1}
	if os.Getenv("WEIR_LONG") == "1" {
		sizes = append(sizes, proxy.Large)
	}
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	cert, key, config := proxy.Certificate(t)
	plain := proxy.Start(t, server.Addr().String(), "", "")
	secured := proxy.Start(t, server.Addr().String(), cert, key)
	for name, dial := range map[string]func() (net.Conn, error){
		"tcp": func() (net.Conn, error) { return net.Dial("tcp", plain) },
		"tls": func() (net.Conn, error) { return tls.Dial("tcp", secured, config) },
	} {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s %d", name, size), func(t *testing.T) {
				near, err := dial()
				require.NoError(t, err)
				defer near.Close()
				far, err := server.Accept()
				require.NoError(t, err)
				defer far.Close()
				var ways errgroup.Group
				ways.Go(func() error { return send(near, bulk.New(1, size)) })
				ways.Go(func() error { return send(far, bulk.New(2, size)) })
				ways.Go(func() error { return receive(near, bulk.New(2, size)) })
				ways.Go(func() error { return receive(far, bulk.New(1, size)) })
				require.NoError(t, ways.Wait())
			})
		}
	}
}

func send(nc net.Conn, s *bulk.Stream) error {
	for s.Left() > 0 {
		if _, err := nc.Write(s.Next(64 << 10)); err != nil {
			return err
		}
	}
	return nc.(interface{ CloseWrite() error }).CloseWrite()
}

func receive(nc net.Conn, s *bulk.Stream) error {
	if _, err := io.CopyBuffer(s, struct{ io.Reader }{nc}, make([]byte, 64<<10)); err != nil {
		return err
	}
	if s.Left() > 0 {
		return fmt.Errorf("%d bytes are missing", s.Left())
	}
	return nil
}
