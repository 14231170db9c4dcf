package httpc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/weir-go/weir/clients/httpc"
)

// protected answers requests that carry the fields of Digest authentication, and challenges all others.
func protected() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Digest realm="films", nonce="n1", qop="auth", algorithm=SHA-256`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, "the films") // a real server checks the response in the field
	}))
}

// One Digest keeps the challenge of a server for later requests.
func ExampleDigest() {
	srv := protected()
	defer srv.Close()
	c := httpc.New(nil)
	defer c.Close()
	films := httpc.Digest("ada", "secret")

	ctx := context.Background()
	resp, err := c.Do(ctx, &httpc.Request{URL: srv.URL, Auth: films})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := resp.Text(ctx)
	fmt.Println(resp.Status, text, err)
	// Output: 200 the films <nil>
}

// A program asks for its token when it sends a request, so that an expired one can be replaced.
func ExampleTokenSource() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"))
	}))
	defer srv.Close()
	c := httpc.New(nil)
	defer c.Close()
	tokens := 0
	auth := httpc.TokenSource(func(context.Context) (string, error) {
		tokens++
		return fmt.Sprint("token-", tokens), nil
	})

	ctx := context.Background()
	for range 2 {
		resp, err := c.Do(ctx, &httpc.Request{URL: srv.URL, Auth: auth})
		if err != nil {
			fmt.Println(err)
			return
		}
		text, err := resp.Text(ctx)
		fmt.Println(text, err)
	}
	// Output:
	// Bearer token-1 <nil>
	// Bearer token-2 <nil>
}

// A client with a jar sends back the cookies that it has received.
func ExampleNewJar() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if session, err := r.Cookie("session"); err == nil {
			_, _ = fmt.Fprint(w, "welcome back, ", session.Value)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "ada"})
		_, _ = fmt.Fprint(w, "welcome")
	}))
	defer srv.Close()
	c := httpc.New(&httpc.Config{Jar: httpc.NewJar()})
	defer c.Close()

	ctx := context.Background()
	for range 2 {
		resp, err := c.Get(ctx, srv.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		text, err := resp.Text(ctx)
		fmt.Println(text, err)
	}
	// Output:
	// welcome <nil>
	// welcome back, ada <nil>
}

func ExampleForm() {
	srv := server() // it echoes the body
	defer srv.Close()
	c := httpc.New(nil)
	defer c.Close()

	ctx := context.Background()
	resp, err := c.Post(ctx, srv.URL, httpc.Form(httpc.Params{"name": "Ada", "tag": []string{"a", "b c"}}, httpc.Style{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := resp.Text(ctx)
	fmt.Println(text, err)
	// Output: name=Ada&tag=a&tag=b+c <nil>
}

// StatusErrors makes an error of each response with a status of 400 or above.
func ExampleStatusError() {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	c := httpc.New(&httpc.Config{StatusErrors: true})
	defer c.Close()

	_, err := c.Get(context.Background(), srv.URL)
	var status *httpc.StatusError
	if errors.As(err, &status) {
		fmt.Printf("%d %q\n", status.Status, status.Body)
	}
	// Output: 404 "404 page not found\n"
}

func ExampleParseLinks() {
	base, err := url.Parse("https://example.com/films?page=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	h := http.Header{"Link": {`<?page=2>; rel="next", </films>; rel="first"; title="All films"`}}
	for _, link := range httpc.ParseLinks(base, h) {
		fmt.Println(link.Rel, link.URL, link.Params)
	}
	// Output:
	// [next] https://example.com/films?page=2 map[]
	// [first] https://example.com/films map[title:All films]
}

// Package-level functions use a Client that the whole program shares.
func ExampleGet() {
	srv := server()
	defer srv.Close()
	ctx := context.Background()
	resp, err := httpc.Get(ctx, srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := resp.Text(ctx)
	fmt.Printf("%q %v\n", text, err)
	fmt.Println(httpc.CloseDefault()) // at the end of a program, if ever
	// Output:
	// "one\ntwo\nthree\n" <nil>
	// <nil>
}
