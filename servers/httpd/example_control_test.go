package httpd_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/weir-go/weir/servers/httpd"
)

// serveBy serves with srv while use runs, and returns when everything has ended.
func serveBy(srv *httpd.Server, use func(url string)) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	use("http://" + ln.Addr().String())
	http.DefaultClient.CloseIdleConnections()
	if err := errors.Join(srv.Shutdown(context.Background()), <-served); err != nil {
		fmt.Println(err)
	}
}

// Info returns when and where a request arrived.
func ExampleInfo() {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, _ := httpd.Info(r)
		fmt.Fprintln(w, info.Protocol, info.Client, "request", info.Serial, "of the connection")
	})
	serveBy(httpd.New(h, nil), func(url string) {
		ask(url)
		ask(url)
	})
	// Output:
	// 200 HTTP/1.1 127.0.0.1 request 1 of the connection
	// 200 HTTP/1.1 127.0.0.1 request 2 of the connection
}

// A request that is reset gets no reply.
func ExampleReset() {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := httpd.Reset(w, httpd.CodeCancel); err != nil {
			panic(http.ErrAbortHandler) // on another server
		}
	})
	serveBy(httpd.New(h, nil), func(url string) {
		_, err := http.Get(url)
		fmt.Println(err != nil)
	})
	// Output: true
}

// A handler announces the last reply of a connection.
func ExampleCloseAfter() {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		httpd.CloseAfter(w)
		fmt.Fprintln(w, "goodbye")
	})
	serveBy(httpd.New(h, nil), func(url string) {
		r, err := http.Get(url)
		if err == nil {
			fmt.Println(r.Close)
		}
		show(r, err)
	})
	// Output:
	// true
	// 200 goodbye
}

// Hooks write an access log and measure durations.
func ExampleHooks() {
	var lines strings.Builder
	plain := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case "level", "msg", "method", "target", "status", "sent":
			return a
		}
		return slog.Attr{} // the time and what else differs from run to run
	}}))
	write := httpd.AccessLog(plain)
	cfg := &httpd.Config{Hooks: &httpd.Hooks{Ended: func(a httpd.Access) {
		if a.Kind == httpd.Plain && a.Duration < 0 {
			fmt.Println("never")
		}
		write(a)
	}}}
	serveBy(httpd.New(http.NotFoundHandler(), cfg), func(url string) { ask(url + "/x") })
	fmt.Print(lines.String())
	// Output:
	// 404 404 page not found
	// level=INFO msg=request method=GET target=/x status=404 sent=19
}

// AccessLog writes one line for each exchange.
func ExampleAccessLog() {
	cfg := &httpd.Config{Hooks: &httpd.Hooks{Ended: httpd.AccessLog(slog.New(slog.DiscardHandler))}}
	serveBy(httpd.New(http.NotFoundHandler(), cfg), ask)
	// Output: 404 404 page not found
}

// One route accepts shorter bodies than the others.
func ExampleMaxBody() {
	h := httpd.MaxBody(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}), 5)
	serve(h, func(url string) {
		post(url, "short")
		post(url, "too long")
	})
	// Output:
	// 200 short
	// 413 Request Entity Too Large
}

// A digest is sent after a body that is never held in memory as a whole.
func ExampleResponse_WithTrailer() {
	h := httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
		hash := sha256.New()
		body := io.TeeReader(strings.NewReader("hello"), hash)
		return httpd.Reader(body).WithTrailer("Digest", func() string { return fmt.Sprintf("%x", hash.Sum(nil)[:4]) }), nil
	})
	serve(h, func(url string) {
		r, err := http.Get(url)
		show(r, err)
		if err == nil {
			fmt.Println(r.Trailer)
		}
	})
	// Output:
	// 200 hello
	// map[Digest:[2cf24dba]]
}

// Hints are sent before the reply, and a trailer after it.
func ExampleExchange_Inform() {
	srv := httpd.NewNative(func(_ context.Context, x httpd.Exchange) error {
		if err := x.Inform(http.StatusEarlyHints, http.Header{"Link": {"</style.css>; rel=preload"}}); err != nil {
			return err
		}
		if err := x.AddTrailer("Lines", "1"); err != nil {
			return err
		}
		return x.Reply(http.StatusOK, "text/plain", []byte("hello\n"))
	}, nil)
	serveBy(srv, func(url string) {
		r, err := http.Get(url)
		show(r, err)
		if err == nil {
			fmt.Println(r.Trailer)
		}
	})
	// Output:
	// 200 hello
	// map[Lines:[1]]
}

// A server that is not listening.
func ExampleServer_String() {
	fmt.Println(httpd.New(http.NotFoundHandler(), nil))
	// Output: httpd: not listening
}
