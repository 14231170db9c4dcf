// Chatroom serves chat rooms to browsers. The first message from a client is the room, the second is its name, and
// later messages are sent to all members of the room.
//
//	go run ./docs/examples/chatroom -addr localhost:7081
//
// A message is encoded once for all members and compressed at most once. Each member has a queue of a hundred. A member
// that is too slow is disconnected, and does not delay the others.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
	"github.com/weir-go/weir/servers/httpd"
)

//go:embed page.html
var page []byte

func main() {
	addr := flag.String("addr", "localhost:7081", "listen on `host:port`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string, out io.Writer) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "http://%v/\n", ln.Addr())
	return httpd.New(handler(), &httpd.Config{Logger: slog.Default()}).Serve(ctx, ln)
}

// handler serves the page and the chat.
func handler() http.Handler {
	rooms := bus.New[string, websocket.Message]()
	cfg := &httpd.UpgradeConfig{}
	cfg.WebSocket.Deflate = &websocket.Deflate{}
	cfg.WebSocket.MaxMessage = 4 << 10
	mux := http.NewServeMux()
	mux.Handle("GET /chat", httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		return member(ctx, conn, rooms)
	}, cfg))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	return mux
}

// signIn is how long a client may take to send its room and name.
const signIn = 10 * time.Second

// tooSlow is sent to a member that is disconnected.
var tooSlow = &websocket.CloseError{Code: websocket.TryAgainLater, Reason: "too slow"}

// member serves one client.
func member(ctx context.Context, conn *websocket.Conn, rooms *bus.Bus[string, websocket.Message]) error {
	room, name, err := introduced(ctx, conn)
	if err != nil {
		return err
	}
	leave, err := rooms.Attach(ctx, room, conn.Out, &pipeline.Queue[websocket.Message]{
		Size: 100, Policy: pipeline.Disconnect, Name: name,
		OnOverflow: func() { conn.Abort(tooSlow) }, // otherwise the connection ends without a code
	})
	if err != nil {
		return err
	}
	defer leave()
	return pipeline.ForEach(ctx, conn.In, func(m websocket.Message) error {
		said, err := websocket.Prepare(websocket.Text(name + ": " + m.String()))
		if err == nil {
			_, err = rooms.Publish(ctx, room, said)
		}
		return err
	})
}

// introduced receives the room and the name.
func introduced(ctx context.Context, conn *websocket.Conn) (room, name string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, signIn, &websocket.CloseError{Code: websocket.PolicyViolation, Reason: "say who you are"})
	defer cancel()
	for _, field := range []*string{&room, &name} {
		m, err := conn.In.Recv(ctx)
		if err != nil {
			return "", "", err
		}
		if *field = m.String(); *field == "" || m.Kind != websocket.TextMessage {
			return "", "", errors.Join(errors.New("an empty name"), &websocket.CloseError{Code: websocket.PolicyViolation, Reason: "empty"})
		}
	}
	return room, name, nil
}
