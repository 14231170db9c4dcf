package guide

import (
	"context"
	"net/http"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// What the README and the guide quote that is no program is here, so that it compiles.

type Order struct{ Item string }

var orderCodec = codec.JSON[Order]()

func handle(chunk []byte)                           {}
func talk(ctx context.Context, conn *chanio.Conn)   {}
func use(words *chanio.Source[[]string], o *orders) {}

type orders = chanio.Duplex[Order, Order]

type Codec[T any] interface {
	Append(dst []byte, v T) ([]byte, error)
	Decode(r *Reader) (T, error)
}

type Reader = codec.Reader

var (
	_ Codec[Order] = orderCodec
	_              = views
	_              = echo
	_              = stages
	_              = accept
	_              = dial
	_              = web
	_              = routes
)

func views(ctx context.Context, conn *chanio.Conn, reply []byte) {
	for chunk := range conn.In.C(ctx) { // a channel: range over it, select on it
		handle(chunk)
	}
	conn.Out.C(ctx) <- reply // a channel to send on
}

func echo(ctx context.Context, conn *chanio.Conn) error {
	return pipeline.Connect(ctx, conn.In, conn.Out) // echo, within a tenth of a hand-written loop
}

func stages(conn, other *chanio.Conn) {
	words := pipeline.Map(codec.Decode(conn.In, codec.Lines), strings.Fields) // no goroutine yet
	orders := codec.Frame(other, orderCodec)                                  // a Duplex[Order, Order]; its Close closes other
	use(words, orders)
}

func accept(ctx context.Context, ln *servers.Listener) {
	for conn := range ln.Conns.C(ctx) { // connections are a channel too
		go talk(ctx, conn) // closes conn
	}
}

func dial(ctx context.Context) error {
	conn, err := clients.DialTCP(ctx, "localhost:7000", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	orders := codec.Frame(conn, orderCodec)
	if err := orders.Out.Send(ctx, Order{"apples"}); err != nil {
		return err
	}
	order, err := orders.In.Recv(ctx)
	if err != nil {
		return err
	}
	_ = order
	return nil
}

type Price struct{ Cents int }

func prices(ctx context.Context) *chanio.Source[Price] { return chanio.FromSlice([]Price{{1}}) }

func web(ctx context.Context, mux *http.ServeMux) error {
	mux.Handle("GET /prices", httpd.Reply(func(ctx context.Context, r *http.Request) (httpd.Response, error) {
		return httpd.NDJSON(prices(ctx)), nil // a *chanio.Source[Price]; each line is sent when it is available
	}))
	mux.Handle("GET /upper", httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		texts := websocket.Texts(conn)
		return pipeline.Connect(ctx, pipeline.Map(texts.In, strings.ToUpper), texts.Out)
	}, nil))
	err := httpd.ListenAndServe(ctx, "localhost:8080", mux, nil)
	return err
}

type reply = func(ctx context.Context, r *http.Request) (httpd.Response, error)

func routes(hello, noSuchPage reply) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /hello", httpd.Reply(hello))
	mux.Handle("/", httpd.Reply(noSuchPage))
	return mux
}
