// Wsauth accepts a WebSocket only from a client with a token: in the Authorization field, as programs send it, in a cookie, as a
// browser does by itself, or as a subprotocol, the one field that a script in a page may fill in.
//
//	WSAUTH_TOKEN=secret go run ./docs/examples/wsauth -addr localhost:7084
//
// In a page's console: new WebSocket("ws://localhost:7084/", ["news.v1", "bearer.secret"]). A request without the token is
// answered with 401, before there is a connection, and pages of other origins with 403: a cookie alone does not tell who
// has written the page.
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
	protocol = "news.v1" // what is spoken; a server never answers with the token
	bearer   = "bearer." // what a subprotocol with a token begins with
	cookie   = "session"
)

// handler looks at the token, then upgrades.
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

// tokenOf returns the token of a request, "" if it has none.
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

// echo is what somebody gets who may connect.
func echo(ctx context.Context, conn *websocket.Conn) error {
	return pipeline.Connect(ctx, conn.In, conn.Out)
}
