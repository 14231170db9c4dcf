package cache_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/clients/httpc/cache"
)

func Example() {
	requests := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = fmt.Fprint(w, "hello")
	}))
	defer srv.Close()

	client := httpc.New(nil)
	defer func() { _ = client.Close() }()
	client.Use(cache.New(cache.NewMemory(64<<20), nil).Middleware)

	ctx := context.Background()
	for range 3 {
		resp, err := client.Get(ctx, srv.URL)
		if err != nil {
			log.Fatal(err)
		}
		text, err := resp.Text(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(text, resp.Header.Get("Cache-Status"))
	}
	fmt.Println(requests, "request")
	// Output:
	// hello weir; fwd=miss
	// hello weir; hit
	// hello weir; hit
	// 1 request
}

// Clear removes a page that was changed by other means than the client.
func ExampleCache_Clear() {
	pages := cache.New(cache.NewMemory(64<<20), nil)
	fmt.Println(pages.Clear(context.Background(), "http://example.org/page"))
	// Output: <nil>
}
