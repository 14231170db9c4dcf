package httpd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// serve has h served while use runs. The forms of this package work on any server, here on net/http's.
func serve(h http.Handler, use func(url string)) {
	srv := httptest.NewServer(h)
	defer srv.Close()
	use(srv.URL)
}

// post prints the answer to a body.
func post(url, body string) { show(http.Post(url, "text/plain", strings.NewReader(body))) }

// ask prints what is at a URL.
func ask(url string) { show(http.Get(url)) }

func show(r *http.Response, err error) {
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Body.Close()
	all, err := io.ReadAll(r.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.StatusCode, strings.TrimSpace(string(all)))
}

// What the client sends comes back in upper case, while it is still sending.
func ExampleStream() {
	serve(httpd.Stream(func(ctx context.Context, d *chanio.Duplex[[]byte, []byte]) error {
		return pipeline.Connect(ctx, pipeline.Map(d.In, bytes.ToUpper), d.Out)
	}), func(url string) {
		post(url, "hello, stream")
	})
	// Output: 200 HELLO, STREAM
}

// The lines of a request, counted while they come.
func ExampleBody() {
	serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines := 0
		for _, err := range codec.Decode(httpd.Body(w, r), codec.Lines).Values(r.Context()) {
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			lines++
		}
		fmt.Fprint(w, lines, " lines")
	}), func(url string) {
		post(url, "one\ntwo\nthree\n")
	})
	// Output: 200 3 lines
}

// Each value leaves at once, as a piece of the reply.
func ExampleSink() {
	serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		out := httpd.Sink(w, r, nil)
		defer out.Close()
		for _, word := range []string{"one ", "at ", "a ", "time"} {
			if out.Send(r.Context(), []byte(word)) != nil {
				return
			}
		}
	}), ask)
	// Output: 200 one at a time
}
