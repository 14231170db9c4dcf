package target

import (
	"net/http"
	"os"

	"github.com/weir-go/weir/servers/httpd"
)

// HTTP/2 servers without TLS, with prior knowledge. They have the same handlers as the HTTP/1.1 servers.

func http2Targets() []Target {
	var all []Target
	for _, path := range []string{"/hello", "/upload"} {
		what, h := path[1:], handlers()[path]
		all = append(all,
			clearHTTP2("net/http h2 "+what, path, func() (Running, error) { return runHTTP(false, newStandardHTTP2(h)) }),
			clearHTTP2("weir h2 "+what, path, weirHTTP(h)))
	}
	return append(all,
		clearHTTP2("weir h2 native", "/hello", func() (Running, error) { return runHTTP(false, newNative()) }),
		clearHTTP2("net/http h2 file", "/file", func() (Running, error) {
			return serveFile(func(dir string) httpServer { return newStandardHTTP2(http.FileServer(http.Dir(dir))) })
		}),
		clearHTTP2("weir h2 file", "/file", func() (Running, error) {
			return serveFile(func(dir string) httpServer { return newWeir(httpd.Files(os.DirFS(dir), nil)) })
		}))
}

func clearHTTP2(name, path string, start func() (Running, error)) Target {
	return Target{Name: name, Codec: "http", Scheme: "h2c", Path: path, Start: start}
}

func newStandardHTTP2(h http.Handler) httpServer {
	srv := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	srv.Protocols.SetUnencryptedHTTP2(true)
	return httpServer{srv.Serve, srv.Close}
}
