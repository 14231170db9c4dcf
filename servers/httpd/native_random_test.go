package httpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRandomNativeHandlersAnswerInEveryForm runs the same random calls on an Exchange of HTTP/1, on one over an
// http.Handler, and on one of HTTP/2.
func TestRandomNativeHandlersAnswerInEveryForm(t *testing.T) {
	var (
		mu   sync.Mutex
		seed uint64
		told []string
	)
	f := func(ctx context.Context, x Exchange) error {
		mu.Lock()
		defer mu.Unlock()
		if x.Host() == "probe" {
			return nil
		}
		var said []string
		defer func() { told = append(told, strings.Join(said, "\n")) }()
		return randomCalls(ctx, x, rand.New(rand.NewPCG(seed, 0)), &said)
	}
	native, over := startNative(t, f, nil)
	client := h2client(t)
	first := rand.Uint64()
	for n := range uint64(300) {
		r := rand.New(rand.NewPCG(first+n, 1))
		mu.Lock()
		seed, told = first+n, nil
		mu.Unlock()
		method := []string{"GET", "HEAD", "POST", "PUT"}[r.IntN(4)]
		body := strings.Repeat("b", []int{0, 0, 5, 300, 20000}[r.IntN(5)])
		raw := method + " / HTTP/1.1\r\nHost: h\r\n"
		if body != "" {
			raw += fmt.Sprintf("Content-Length: %d\r\n", len(body))
		}
		raw += "\r\n" + body
		want, wantEnded := talkFinal(t, over, raw, method)
		got, ended := talkFinal(t, native, raw, method)
		mu.Lock()
		require.Len(t, told, 2)
		require.Equal(t, told[0], told[1], "seed %d", first+n)
		if final(want) != final(got) { // a reply that was aborted may have begun
			both := append(want, got...)
			require.True(t, method == http.MethodHead || !both[len(both)-1].complete, "seed %d\n%s", first+n, told[0])
			mu.Unlock()
			continue
		}
		for _, all := range [][]reply{want, got} {
			if n := len(all); n > 0 && !all[n-1].complete {
				all[n-1].body = ""
			}
		}
		require.Equal(t, want, got, "seed %d\n%s %d\n%s", first+n, method, len(body), told[0])
		require.Equal(t, wantEnded, ended, "seed %d\n%s", first+n, told[0])
		mu.Unlock()

		req, err := http.NewRequest(method, "http://"+native+"/", strings.NewReader(body))
		require.NoError(t, err)
		req.Host = "h"
		resp, err := client.Do(req)
		if err != nil {
			require.False(t, final(want), "seed %d: %v", first+n, err)
			continue
		}
		two := readReply(t, resp)
		_ = resp.Body.Close()
		mu.Lock()
		leaves := method == http.MethodHead && body != "" // the client does, once it has the head
		if strings.Contains(told[0], "CloseAfter") && final(want) {
			leaves = leaves || method == http.MethodHead || !bodyAllowed(want[len(want)-1].status)
		}
		if !leaves && !strings.Contains(told[0], "closed Body") { // the reply of HTTP/2 may begin before the body has been read
			require.Equal(t, told[0], told[2], "seed %d", first+n)
		}
		mu.Unlock()
		if !final(want) {
			require.True(t, method == http.MethodHead || !two.complete, "seed %d\n%s", first+n, told[0])
			continue
		}
		one := want[len(want)-1]
		for _, h := range []http.Header{one.header, two.header} {
			h.Del("Connection")
			h.Del("Content-Length")
			h.Del("Trailer")
			h.Del("Upgrade")
		}
		one.chunked, one.length, two.length = false, 0, 0
		if one.trailer == nil && two.trailer.Get("X-Sum") == "" {
			two.trailer = nil // announced, without a body to follow
		}
		if !one.complete || !two.complete {
			one.body, two.body, two.complete = "", "", one.complete // a stream is reset even if all of its body has been sent
		}
		require.Equal(t, one, two, "seed %d\n%s %d\n%s", first+n, method, len(body), told[0])
	}
}

// final reports whether the last reply is not one with status 103.
func final(all []reply) bool { return len(all) > 0 && all[len(all)-1].status >= 200 }

// talkFinal is talk for a request whose reply may follow others with status 103.
func talkFinal(t *testing.T, addr, raw, method string) (replies []reply, ended bool) {
	t.Helper()
	return talkOn(t, addr, raw, func(so []reply) string {
		if final(so) {
			return ""
		}
		return method
	})
}

// randomCalls calls methods of x and notes their results.
func randomCalls(ctx context.Context, x Exchange, r *rand.Rand, said *[]string) error {
	say := func(format string, args ...any) { *said = append(*said, fmt.Sprintf(format, args...)) }
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	read := false
	for range 1 + r.IntN(7) {
		switch r.IntN(12) {
		case 0, 1:
			name := pick("X-A", "x-b", "Content-Type", "Content-Length", "Connection", "Transfer-Encoding", "Set-Cookie", "Trailer", "Allow", "", "a b", "Content-Encoding", "ETag", "Location", "Upgrade")
			value := pick("", "1", "a, b", "close", "chunked", "a\r\nb", "5", "gzip", `"tag"`)
			say("Set %q %q %v", name, value, x.Set(name, value))
		case 2:
			status, kind, length := []int{200, 201, 204, 205, 304, 404, 500, 100, 99, 1000}[r.IntN(10)], pick("", "text/plain", "a/b\n"), []int64{-1, 0, 3, 10, 5000}[r.IntN(5)]
			say("Begin %d %q %d %v", status, kind, length, x.Begin(status, kind, length))
		case 3:
			status, kind, body := []int{200, 204, 205, 304, 404, 199}[r.IntN(6)], pick("", "text/html"), pick("", "abc", "<html>", strings.Repeat("r", 70000))
			say("Reply %d %q %d %v", status, kind, len(body), x.Reply(status, kind, []byte(body)))
		case 4, 5:
			p := pick("", "abc", "0123456789", strings.Repeat("w", 5000), strings.Repeat("W", 70000))
			n, err := x.Write([]byte(p))
			say("Write %d: %d %v", len(p), n, err)
		case 6:
			say("Flush %v", x.Flush(ctx))
		case 7:
			name, value := pick("X-Sum", "x-sum", "Content-Length", "", "a b"), pick("1", "a\nb")
			say("AddTrailer %q %q %v", name, value, x.AddTrailer(name, value))
		case 8:
			x.CloseAfter()
			say("CloseAfter")
		case 9:
			read = true
			p, err := x.ReadBody(ctx, []int{0, 5, 100000}[r.IntN(3)])
			say("ReadBody %d %v", len(p), err)
		case 10:
			if !read {
				say("%s %s %q %q", x.Method(), x.Host(), x.Header("X-None"), x.Target())
			}
			say("Inform %v", x.Inform(103, http.Header{"Link": {"</a>"}}))
		case 11:
			switch r.IntN(12) {
			case 0:
				say("error")
				return errors.New("failed")
			case 1:
				say("refused")
				return &RequestError{http.StatusTeapot, errors.New("refused")}
			case 2:
				say("abort")
				panic(http.ErrAbortHandler)
			case 3:
				func() {
					defer func() { say("HTTP panics: %v", recover()) }()
					w, req := x.HTTP()
					p, err := io.ReadAll(req.Body)
					say("body %d %v", len(p), err)
					w.WriteHeader(201)
					_, err = io.WriteString(w, "by HTTP")
					say("HTTP %v", err)
				}()
			}
		}
	}
	return nil
}
