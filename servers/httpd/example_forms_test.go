package httpd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// serve serves h while use runs. The functions of this package work on any server, here net/http's.
func serve(h http.Handler, use func(url string)) {
	srv := httptest.NewServer(h)
	defer srv.Close()
	use(srv.URL)
}

// post prints the reply to a body.
func post(url, body string) { show(http.Post(url, "text/plain", strings.NewReader(body))) }

// ask prints the reply to a GET.
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

// The body is sent back in upper case while the client is still sending.
func ExampleStream() {
	serve(httpd.Stream(func(ctx context.Context, d *chanio.Duplex[[]byte, []byte]) error {
		return pipeline.Connect(ctx, pipeline.Map(d.In, bytes.ToUpper), d.Out)
	}), func(url string) {
		post(url, "hello, stream")
	})
	// Output: 200 HELLO, STREAM
}

// The lines of a request are counted as they arrive.
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

// Each value is sent at once, as a piece of the reply.
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

// A reply is a value, and it may contain a stream of values.
func ExampleReply() {
	mux := http.NewServeMux()
	mux.Handle("GET /hello/{name}", httpd.Reply(func(_ context.Context, r *http.Request) (httpd.Response, error) {
		return httpd.Text("hello " + r.PathValue("name")), nil
	}))
	mux.Handle("GET /squares", httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
		return httpd.NDJSON(pipeline.Map(chanio.FromSlice([]int{1, 2, 3}), func(n int) int { return n * n })), nil
	}))
	mux.Handle("/", httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
		return httpd.Text("No such page.").WithStatus(http.StatusNotFound), nil
	}))
	serve(mux, func(url string) {
		ask(url + "/hello/gopher")
		ask(url + "/squares")
		ask(url + "/other")
	})
	// Output:
	// 200 hello gopher
	// 200 1
	// 4
	// 9
	// 404 No such page.
}

// A region is served as if it were a whole file, and Range applies to it.
func ExampleFileRegion() {
	serve(httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
		return httpd.FileRegion("testdata/numbers.txt", 2, 5)
	}), ask)
	// Output: 200 23456
}

// Later sends the Response of a Future.
func ExampleLater() {
	serve(httpd.Reply(func(ctx context.Context, _ *http.Request) (httpd.Response, error) {
		return httpd.Later(future.Go(ctx, func(context.Context) (httpd.Response, error) {
			return httpd.JSON(map[string]int{"answer": 42}), nil
		})), nil
	}), ask)
	// Output: 200 {"answer":42}
}

// Requests are received from a channel, which any number of goroutines may share.
func ExampleRequests() {
	h, reqs := httpd.Requests(nil)
	ctx, cancel := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for req := range reqs.C(ctx) {
				_ = req.Reply(httpd.Text(req.Method + " " + req.URL.Path))
			}
		})
	}
	serve(h, func(url string) { ask(url + "/job") })
	cancel()
	workers.Wait()
	// Output: 200 GET /job
}

// The parts of a form are received while the client sends them.
func ExampleMultipart() {
	serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts, err := httpd.Multipart(w, r, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnsupportedMediaType)
			return
		}
		defer parts.Close()
		for part, err := range parts.Values(r.Context()) {
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			if part.Source == nil {
				fmt.Fprintf(w, "%s is %q\n", part.Name, part.Text)
				continue
			}
			text, err := chanio.ReadAll(r.Context(), part.Source, 1<<20)
			fmt.Fprintf(w, "%s: %d bytes %v\n", part.FileName, len(text), err)
		}
	}), func(url string) {
		body := "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nnotes\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--b--\r\n"
		show(http.Post(url, "multipart/form-data; boundary=b", strings.NewReader(body)))
	})
	// Output:
	// 200 title is "notes"
	// a.txt: 5 bytes <nil>
}

// The files of a directory. No link leads out of it.
func ExampleFiles() {
	root, err := os.OpenRoot("testdata")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer root.Close()
	serve(httpd.Files(root.FS(), nil), func(url string) {
		ask(url + "/numbers.txt")
		ask(url + "/none")
	})
	// Output:
	// 200 0123456789
	// 404 No such page.
}

// Replies are compressed for clients that accept it.
func ExampleCompress() {
	h := httpd.Compress(httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
		return httpd.Text(strings.Repeat("hello ", 1000)), nil
	}), nil)
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	h.ServeHTTP(rec, r)
	fmt.Println(rec.Header().Get("Content-Encoding"), rec.Header().Get("Vary"), rec.Body.Len() < 200)
	// Output: gzip Accept-Encoding true
}

// The handler reads compressed bodies decompressed.
func ExampleDecompress() {
	h := httpd.Decompress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}), nil)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "hello")
	_ = z.Close()
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", &packed)
	r.Header.Set("Content-Encoding", "gzip")
	h.ServeHTTP(rec, r)
	fmt.Println(rec.Body)
	// Output: hello
}

// A native handler suits a service that answers very many short requests.
func ExampleNewNative() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := httpd.NewNative(func(_ context.Context, x httpd.Exchange) error {
		return x.Reply(http.StatusOK, "text/plain; charset=utf-8", append([]byte("you asked for "), x.TargetBorrowed()...))
	}, nil)
	served := make(chan error)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	ask("http://" + ln.Addr().String() + "/hello")
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(srv.Shutdown(context.Background()), <-served)
	// Output:
	// 200 you asked for /hello
	// <nil> <nil>
}
