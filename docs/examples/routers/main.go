// Routers serves ordinary http.Handlers: the standard mux with patterns, middleware around it, and a reverse proxy. Any
// other router works too.
//
//	go run ./docs/examples/routers
//	curl -i localhost:8080/users/7
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"

	"github.com/weir-go/weir/servers/httpd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Println("http://localhost:8080/users/7")
	if err := httpd.ListenAndServe(ctx, "localhost:8080", routes(&url.URL{Scheme: "http", Host: "example.org"}), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func routes(backend *url.URL) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %s\n", r.PathValue("id"))
	})
	mux.HandleFunc("DELETE /users/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("/backend/", http.StripPrefix("/backend", &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) },
	}))
	return named(http.MaxBytesHandler(mux, 1<<20))
}

// named is a middleware.
func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Served-By", "weir")
		next.ServeHTTP(w, r)
	})
}
