package target

import (
	"bufio"
	"net"
	"strconv"

	"github.com/valyala/fasthttp"
)

// fasthttp, with handlers that receive pooled requests and are not http.Handlers.

func fasthttpTargets() []Target {
	return []Target{
		web("fasthttp hello", "/hello", fast(false, func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("text/plain; charset=utf-8")
			ctx.SetBodyString(hello)
		})),
		secureWeb("fasthttp tls", "/hello", fast(true, func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("text/plain; charset=utf-8")
			ctx.SetBodyString(hello)
		})),
		web("fasthttp upload", "/upload", fast(false, func(ctx *fasthttp.RequestCtx) {
			ctx.SetBodyString(strconv.Itoa(len(ctx.PostBody())))
		})),
		web("fasthttp stream", "/stream", fast(false, func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("text/plain; charset=utf-8")
			ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
				for range StreamLines {
					if _, err := w.WriteString("item\n"); err != nil || w.Flush() != nil {
						return
					}
				}
			})
		})),
		web("fasthttp file", "/file", func() (Running, error) {
			return serveFile(func(dir string) httpServer { return newFast(fasthttp.FSHandler(dir, 0)) })
		}),
	}
}

func fast(secure bool, h fasthttp.RequestHandler) func() (Running, error) {
	return func() (Running, error) { return runHTTP(secure, newFast(h)) }
}

func newFast(h fasthttp.RequestHandler) httpServer {
	srv := &fasthttp.Server{Handler: h, MaxRequestBodySize: 1 << 30, Logger: fastLog{}, CloseOnShutdown: true}
	return httpServer{func(ln net.Listener) error { return srv.Serve(ln) }, srv.Shutdown}
}

// fastLog drops the log lines about clients that disconnect.
type fastLog struct{}

func (fastLog) Printf(string, ...any) {}
