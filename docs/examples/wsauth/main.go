// Wsauth accepts a WebSocket only from a client with a token: in the Authorization field, as programs send it, in a
// cookie, as browsers do by themselves, or in a subprotocol, the only field that a script in a page can set.
//
//	WSAUTH_TOKEN=secret go run ./docs/examples/wsauth -addr localhost:7084
//
// In a page's console: new WebSocket("ws://localhost:7084/", ["news.v1", "bearer.secret"]). A request without the token
// is answered 401 before there is a connection, and one from a page of another origin 403, because a cookie alone does
// not identify the page.
package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

func main() {
	addr := flag.String("addr", "localhost:7084", "listen on `host:port`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Getenv("WSAUTH_TOKEN"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr, token string, out io.Writer) error {
	if token == "" {
		return fmt.Errorf("wsauth: WSAUTH_TOKEN is empty")
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "listening on", ln.Addr())
	return httpd.New(handler(token), &httpd.Config{Logger: slog.Default()}).Serve(ctx, ln)
}

const (
	protocol = "news.v1" // the protocol in use; a server never answers with the token
	bearer   = "bearer." // prefix of a subprotocol with a token
	cookie   = "session"
)

// handler checks the token, then upgrades.
func handler(token string) http.Handler {
	sockets := httpd.WebSocket(echo, &httpd.UpgradeConfig{Subprotocols: []string{protocol}})
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(tokenOf(r)))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "Who are you?", http.StatusUnauthorized)
			return
		}
		sockets.ServeHTTP(w, r)
	})
}

// tokenOf returns the token of a request, or "" if it has none.
func tokenOf(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return token
	}
	if c, err := r.Cookie(cookie); err == nil {
		return c.Value
	}
	for offered := range strings.SplitSeq(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), ",") {
		if token, ok := strings.CutPrefix(strings.TrimSpace(offered), bearer); ok {
			return token
		}
	}
	return ""
}

// echo serves a client that may connect.
func echo(ctx context.Context, conn *websocket.Conn) error {
	return pipeline.Connect(ctx, conn.In, conn.Out)
}
