package httpc_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
)

// server echoes the request body, or answers with three lines.
func server() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if len(body) == 0 {
			body = []byte("one\ntwo\nthree\n")
		}
		w.Header().Set("Link", `<?page=2>; rel="next"`)
		_, _ = w.Write(body)
	}))
}

func Example() {
	srv := server()
	defer srv.Close()
	ctx := context.Background()
	c := httpc.New(nil)
	defer c.Close()
	resp, err := c.Get(ctx, srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Close()
	for line := range resp.Lines().All(ctx) {
		fmt.Println(line)
	}
	// Output:
	// one
	// two
	// three
}

func ExampleClient_Do() {
	srv := server()
	defer srv.Close()
	ctx := context.Background()
	c := httpc.New(&httpc.Config{StatusErrors: true, Timeout: time.Minute})
	defer c.Close()
	resp, err := c.Do(ctx, &httpc.Request{
		Method: "PUT", URL: srv.URL, Query: httpc.Params{"tag": []string{"a", "b"}},
		Body: httpc.JSON(map[string]int{"n": 1}), Auth: httpc.Bearer("token"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var v struct{ N int }
	err = resp.Into(ctx, &v)
	fmt.Println(v.N, err)
	// Output: 1 <nil>
}

func ExampleClient_Go() {
	srv := server()
	defer srv.Close()
	ctx := context.Background()
	c := httpc.New(nil)
	defer c.Close()
	f := c.Go(ctx, &httpc.Request{URL: srv.URL, Body: httpc.Text("hello")})
	resp, err := f.Await(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := resp.Text(ctx)
	fmt.Println(text, err)
	// Output: hello <nil>
}

func ExampleClient_HTTP() {
	srv := server()
	defer srv.Close()
	c := httpc.New(nil)
	defer c.Close()
	resp, err := c.HTTP().Get(srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(os.Stdout, resp.Body)
	// Output:
	// one
	// two
	// three
}

func ExampleClient_Use() {
	srv := server()
	defer srv.Close()
	c := httpc.New(nil)
	defer c.Close()
	c.Use(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			fmt.Println(r.Method, r.URL.Path)
			return next.RoundTrip(r)
		})
	})
	resp, err := c.Get(context.Background(), srv.URL+"/a")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status, resp.Link("next").RawQuery)
	_ = resp.Close()
	// Output:
	// GET /a
	// 200 page=2
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func ExampleEncoded() {
	srv := server()
	defer srv.Close()
	ctx := context.Background()
	c := httpc.New(nil)
	defer c.Close()
	numbers := chanio.FromSlice([]int{1, 2, 3})
	resp, err := c.Post(ctx, srv.URL, httpc.Encoded(numbers, codec.JSONLines[int]()))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := resp.Text(ctx)
	fmt.Print(text, err)
	// Output:
	// 1
	// 2
	// 3
	// <nil>
}

func ExampleMultipart() {
	body := httpc.Multipart(
		httpc.Field("title", "notes"),
		httpc.Part{Name: "file", FileName: "a.txt", Body: httpc.Text("hello")},
	)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, header, err := r.FormFile("file")
		fmt.Println(r.FormValue("title"), header.Filename, err)
	}))
	defer srv.Close()
	c := httpc.New(nil)
	defer c.Close()
	resp, err := c.Post(context.Background(), srv.URL, body)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Close()
	// Output: notes a.txt <nil>
}
