//go:build linux || darwin

package target

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/cloudwego/hertz/pkg/app"
	hertz "github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/hlog"
)

// Hertz, over an event loop, with handlers that receive pooled requests and are not http.Handlers.

func hertzTargets() []Target {
	return []Target{web("hertz hello", "/hello", startHertz)}
}

type hertzServer struct {
	h     *hertz.Hertz
	addr  net.Addr
	ended chan error
}

func startHertz() (Running, error) {
	hlog.SetLevel(hlog.LevelError)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := hertz.New(hertz.WithListener(ln), hertz.WithDisablePrintRoute(true), hertz.WithExitWaitTime(time.Second))
	h.GET("/hello", func(_ context.Context, c *app.RequestContext) {
		c.SetContentType("text/plain; charset=utf-8")
		c.SetBodyString(hello)
	})
	s := &hertzServer{h: h, addr: ln.Addr(), ended: make(chan error, 1)}
	go func() { s.ended <- h.Run() }() // Close waits for it
	for !h.IsRunning() {
		select {
		case err := <-s.ended:
			return nil, errors.Join(errors.New("target: hertz ended"), err)
		case <-time.After(time.Millisecond):
		}
	}
	return s, nil
}

func (s *hertzServer) Addr() net.Addr { return s.addr }

func (s *hertzServer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.h.Shutdown(ctx); err != nil {
		return err
	}
	<-s.ended // its error reports the shutdown
	return nil
}
