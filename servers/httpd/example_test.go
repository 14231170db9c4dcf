package httpd_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// get prints the reply to a GET.
func get(url string) {
	r, err := http.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	fmt.Printf("%s: %s %v\n", r.Status, body, err)
}

// New takes the handlers of net/http. A Config sets limits and timeouts.
func ExampleNew() {
	srv := httpd.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}), &httpd.Config{MaxBody: 1 << 20, IdleTimeout: time.Minute})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, ln) }()
	get("http://" + ln.Addr().String())
	stop()
	<-served
	// Output:
	// 200 OK:  <nil>
}

// A Server takes any handler, such as a mux, and any net.Listener.
func ExampleServer_Serve() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "hello %s", r.PathValue("name"))
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := httpd.New(mux, nil)
	served := make(chan error)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	get("http://" + ln.Addr().String() + "/hello/gopher")
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(srv.Shutdown(context.Background()), <-served)
	// Output:
	// 200 OK: hello gopher <nil>
	// <nil> <nil>
}

// A Listener of package servers has its own limits, here one connection at a time.
func ExampleServer_ServeListener() {
	ln, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{MaxConns: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := httpd.New(http.NotFoundHandler(), &httpd.Config{CloseEach: true})
	served := make(chan error)
	go func() { served <- srv.ServeListener(context.Background(), ln) }()
	for range 2 {
		get("http://" + ln.Addr().String() + "/")
	}
	fmt.Println(srv.Shutdown(context.Background()), <-served)
	// Output:
	// 404 Not Found: 404 page not found
	//  <nil>
	// 404 Not Found: 404 page not found
	//  <nil>
	// <nil> <nil>
}

// ListenAndServe serves until its ctx ends, and lets requests in progress finish.
func ExampleListenAndServe() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fmt.Println(httpd.ListenAndServe(ctx, "127.0.0.1:0", http.NotFoundHandler(), nil))
	// Output: <nil>
}
