package httpd_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/servers/httpd"
)

// A handler that prepares the reply itself, here by setting a header.
func ExampleEvents() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		events, err := httpd.Events(w, r, nil)
		if err != nil {
			return // the client is gone
		}
		defer events.Close()
		for _, price := range []string{"7", "8"} {
			if events.Send(r.Context(), sse.Event{Data: price}) != nil {
				return
			}
		}
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/prices", nil))
	fmt.Println(w.Header().Get("Access-Control-Allow-Origin"))
	fmt.Print(w.Body)
	// Output:
	// *
	// data: 7
	//
	// data: 8
	//
}

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
