package target

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
	"golang.org/x/sync/errgroup"
)

// Proxies in front of an echo server in another process, so that only the cost of the proxy is measured.

func proxyTargets() []Target {
	return []Target{
		proxied("proxy io.Copy", copyProxy),
		proxied("weir proxy Transfer", weirProxy(chanio.Transfer)),
		proxied("weir proxy Connect", weirProxy(connected)),
	}
}

// proxied is a proxy, which start runs in front of the simplest echo.
func proxied(name string, start func(to string) (Running, error)) Target {
	return Target{Name: name, Codec: "raw", Start: func() (Running, error) {
		behind, err := child.Start(RoleName, Args{Name: "net loop"})
		if err != nil {
			return nil, err
		}
		var at string
		err = behind.Call(context.Background(), "url", nil, &at)
		if err != nil {
			return nil, errors.Join(err, behind.Close())
		}
		u, err := url.Parse(at)
		if err != nil {
			return nil, errors.Join(err, behind.Close())
		}
		front, err := start(u.Host)
		if err != nil {
			return nil, errors.Join(err, behind.Close())
		}
		return &proxy{front, behind}, nil
	}}
}

type proxy struct {
	Running
	behind *child.Process
}

func (p *proxy) Close() error { return errors.Join(p.Running.Close(), p.behind.Close()) }

// copyProxy uses io.Copy in each direction, which is splice on systems that have it.
func copyProxy(to string) (Running, error) {
	return serve(func(conn net.Conn) {
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer server.Close()
		var back sync.WaitGroup
		back.Go(func() { copyAll(conn, server) })
		copyAll(server, conn)
		back.Wait()
	})
}

func copyAll(dst, src net.Conn) {
	_, _ = io.Copy(dst, src)
	_ = dst.(*net.TCPConn).CloseWrite()
}

// pass moves everything from one connection to another.
type pass = func(context.Context, *chanio.Source[[]byte], *chanio.Sink[[]byte]) (int64, error)

// connected is pass through this process.
func connected(ctx context.Context, src *chanio.Source[[]byte], dst *chanio.Sink[[]byte]) (int64, error) {
	return 0, pipeline.Connect(ctx, src, dst)
}

// weirProxy uses move in each direction, and passes on each end after the bytes.
func weirProxy(move pass) func(to string) (Running, error) {
	return func(to string) (Running, error) {
		ln, err := servers.ListenTCP("127.0.0.1:0", nil)
		return serveWeir(ln, err, func(ctx context.Context, client *chanio.Conn) error {
			server, err := clients.DialTCP(ctx, to, nil)
			if err != nil {
				return err
			}
			ways, ctx := errgroup.WithContext(ctx)
			for _, way := range [][2]*chanio.Conn{{client, server}, {server, client}} {
				ways.Go(func() error {
					if _, err := move(ctx, way[0].In, way[1].Out); err != nil {
						return err
					}
					return way[1].Out.Close()
				})
			}
			err = ways.Wait()
			if err != nil {
				server.Out.Abort(err)
			}
			return err
		})
	}
}
