package target

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// HTTP/1.1 servers. They send the same replies, apart from the header fields that each adds itself.

// StreamLines is the number of lines of a streamed reply.
const StreamLines = 1_000_000

// fileSize is the size of the file that is served.
const fileSize = 1 << 20

const hello = "Hello, World!"

// handlers are the handlers of the servers that use http.Handler, by path.
func handlers() map[string]http.Handler {
	return map[string]http.Handler{
		"/hello":  http.HandlerFunc(sayHello),
		"/upload": http.HandlerFunc(countBody),
		"/stream": http.HandlerFunc(writeAndFlush),
	}
}

func sayHello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, hello) // the client may have disconnected
}

func countBody(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
}

// writeAndFlush is a hand-written stream.
func writeAndFlush(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flusher := w.(http.Flusher)
	line := []byte("item\n")
	for range StreamLines {
		if _, err := w.Write(line); err != nil {
			return
		}
		flusher.Flush()
	}
}

// writeOnly leaves it to the server when to send, which is too late for a client that waits for each piece.
func writeOnly(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	line := []byte("item\n")
	for range StreamLines {
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

// streamed is the same stream as a Source, whose values are sent when they are available.
var streamed = httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
	n := 0
	next := func() (string, bool, error) {
		if n == StreamLines {
			return "", false, io.EOF
		}
		n++
		return "item\n", true, nil
	}
	return httpd.TextStream(chanio.NewSource(chanio.SourceHooks[string]{
		TryNext: next,
		Next: func(context.Context) (string, error) {
			v, _, err := next()
			return v, err
		},
	})), nil
})

func httpTargets() []Target {
	var all []Target
	for path, h := range handlers() {
		what := path[1:]
		all = append(all, web("net/http "+what, path, standardHTTP(h)), web("weir "+what, path, weirHTTP(h)))
	}
	all = append(all,
		web("weir native", "/hello", func() (Running, error) { return runHTTP(false, newNative()) }),
		web("weir stream Source", "/stream", weirHTTP(streamed)),
		web("net/http stream Source", "/stream", standardHTTP(streamed)),
		web("net/http stream unflushed", "/stream", standardHTTP(http.HandlerFunc(writeOnly))),
		web("net/http file", "/file", func() (Running, error) { return serveFile(standardFiles) }),
		web("weir file ServeContent", "/file", func() (Running, error) { return serveFile(weirServeContent) }),
		web("weir file", "/file", func() (Running, error) { return serveFile(weirFiles) }),
		secureWeb("net/http tls", "/hello", standardHTTPS(http.HandlerFunc(sayHello))),
		secureWeb("weir http tls", "/hello", weirHTTPS(http.HandlerFunc(sayHello))),
		secureWeb("weir over crypto/tls", "/hello", weirOverCryptoTLS(http.HandlerFunc(sayHello))),
	)
	return append(append(all, fasthttpTargets()...), hertzTargets()...)
}

func web(name, path string, start func() (Running, error)) Target {
	return Target{Name: name, Codec: "http", Scheme: "http", Path: path, Start: start}
}

func secureWeb(name, path string, start func() (Running, error)) Target {
	return Target{Name: name, Codec: "http", Scheme: "https", Path: path, Start: start}
}

func listenHTTP(secure bool) (net.Listener, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || !secure {
		return ln, err
	}
	cert, err := certificate()
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}), nil
}

func standardHTTP(h http.Handler) func() (Running, error) {
	return func() (Running, error) { return runHTTP(false, newStandard(h)) }
}

func standardHTTPS(h http.Handler) func() (Running, error) {
	return func() (Running, error) { return runHTTP(true, newStandard(h)) }
}

func weirHTTP(h http.Handler) func() (Running, error) {
	return func() (Running, error) { return runHTTP(false, newWeir(h)) }
}

// weirHTTPS is the server with its own TLS, as its Config sets it up.
func weirHTTPS(h http.Handler) func() (Running, error) {
	return func() (Running, error) {
		cert, err := certificate()
		if err != nil {
			return nil, err
		}
		return runHTTP(false, configured(h, &httpd.Config{
			Listen: servers.Config{TLS: &servers.TLSConfig{Certificates: []tls.Certificate{cert}}},
		}))
	}
}

// weirOverCryptoTLS is the server on a tls.Listener of the standard library, whose connections cannot be written without
// blocking.
func weirOverCryptoTLS(h http.Handler) func() (Running, error) {
	return func() (Running, error) { return runHTTP(true, newWeir(h)) }
}

// httpServer is a server that serves a listener until it is closed.
type httpServer struct {
	serve func(net.Listener) error
	close func() error
}

func newStandard(h http.Handler) httpServer {
	srv := &http.Server{Handler: h}
	return httpServer{srv.Serve, srv.Close}
}

func newWeir(h http.Handler) httpServer { return configured(h, &httpd.Config{}) }

func configured(h http.Handler, cfg *httpd.Config) httpServer {
	ctx, cancel := context.WithCancel(context.Background())
	cfg.ShutdownTimeout = -1
	srv := httpd.New(h, cfg)
	return httpServer{
		func(ln net.Listener) error { return srv.Serve(ctx, ln) },
		func() error { cancel(); return nil },
	}
}

// newNative is the server without http.Request and http.ResponseWriter.
func newNative() httpServer {
	reply := []byte(hello)
	ctx, cancel := context.WithCancel(context.Background())
	srv := httpd.NewNative(func(_ context.Context, x httpd.Exchange) error {
		return x.Reply(http.StatusOK, "text/plain; charset=utf-8", reply)
	}, &httpd.Config{ShutdownTimeout: -1})
	return httpServer{
		func(ln net.Listener) error { return srv.Serve(ctx, ln) },
		func() error { cancel(); return nil },
	}
}

func runHTTP(secure bool, srv httpServer) (Running, error) {
	ln, err := listenHTTP(secure)
	if err != nil {
		return nil, err
	}
	r := &runningHTTP{addr: ln.Addr(), srv: srv, ended: make(chan error, 1)}
	go func() { r.ended <- srv.serve(ln) }() // Close waits for it
	return r, nil
}

type runningHTTP struct {
	addr    net.Addr
	srv     httpServer
	ended   chan error
	cleanup func() error
}

func (r *runningHTTP) Addr() net.Addr { return r.addr }

func (r *runningHTTP) Close() error {
	err := r.srv.close()
	if ended := <-r.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	if r.cleanup != nil {
		err = errors.Join(err, r.cleanup())
	}
	return err
}

// serveFile creates a file and returns a handler that serves its directory.
func serveFile(server func(dir string) httpServer) (Running, error) {
	dir, err := os.MkdirTemp("", "weir-bench-*")
	if err != nil {
		return nil, err
	}
	cleanup := func() error { return os.RemoveAll(dir) }
	p := make([]byte, fileSize)
	for i := range p {
		p[i] = byte(i * 7)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), p, 0o600); err != nil {
		return nil, errors.Join(err, cleanup())
	}
	running, err := runHTTP(false, server(dir))
	if err != nil {
		return nil, errors.Join(err, cleanup())
	}
	r, ok := running.(*runningHTTP)
	if !ok {
		return nil, errors.Join(fmt.Errorf("target: %T", running), running.Close(), cleanup())
	}
	r.cleanup = cleanup
	return r, nil
}

func standardFiles(dir string) httpServer { return newStandard(http.FileServer(http.Dir(dir))) }

func weirServeContent(dir string) httpServer { return newWeir(http.FileServer(http.Dir(dir))) }

func weirFiles(dir string) httpServer { return newWeir(httpd.Files(os.DirFS(dir), nil)) }
