package httpd_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/servers/httpd"
)

func ExampleEventStream() {
	handler := httpd.EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
		return events.Send(ctx, sse.Event{Type: "price", Data: "7"})
	}, nil)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/prices", nil))
	fmt.Println(w.Header().Get("Content-Type"))
	fmt.Print(w.Body)
	// Output:
	// text/event-stream
	// event: price
	// data: 7
	//
}
