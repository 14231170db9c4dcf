package httpd

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
)

// Reply returns a handler that answers each request with the Response that f returns, for any server:
//
//	mux.Handle("GET /hello/{name}", httpd.Reply(func(ctx context.Context, r *http.Request) (httpd.Response, error) {
//		return httpd.Text("hello " + r.PathValue("name") + "\n"), nil
//	}))
//
// ctx is the context of r. An error of f, or an invalid Response, is answered by Config.Error on the server of this
// package; elsewhere, and by default, with the status of a [*RequestError], and otherwise with 500 and a line in the
// server's log. If a stream fails after the head of the reply, the reply is truncated, which the client can detect. In
// every case (HEAD, 304, a client that disconnected, a panic) the stream, reader or file of the Response is closed.
//
// A Response to GET or HEAD with status 200 and an ETag or Last-Modified, such as that of [File], is subject to the
// conditions of the request: If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since (RFC 9110 13).
func Reply(f func(ctx context.Context, r *http.Request) (Response, error)) http.Handler {
	if f == nil {
		panic("httpd: Reply: f is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := f(r.Context(), r)
		answer(w, r, resp, err)
	})
}

// answer answers r with resp, or with the reply for err if that is not nil.
func answer(w http.ResponseWriter, r *http.Request, resp Response, err error) {
	unused := resp
	defer func() { _ = unused.Close() }() // an error can no longer be reported
	if err == nil {
		resp, err = resp.resolved(r.Context())
		unused = resp
	}
	if err == nil {
		err = resp.check()
	}
	if err == nil {
		err = resp.send(w, r)
	}
	var late begun
	switch {
	case err == nil:
	case errors.As(err, &late):
		if !isGone(w, r, err) {
			report(w, r, "reply", err)
		}
		cut()
	case r.Context().Err() != nil && statusOf(err) == 0:
		cut() // the error cannot be reported
	default:
		clearEntity(w.Header())
		failed(w, r, err)
	}
}

// clearEntity deletes the fields that describe a body that is not sent.
func clearEntity(h http.Header) {
	clearFreshness(h)
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding", "Content-Range", "Etag", "Last-Modified", "Accept-Ranges"} {
		h.Del(name)
	}
}

// clearFreshness deletes the fields by which a cache would store a failure for as long as what was asked for.
func clearFreshness(h http.Header) {
	h.Del("Expires")
	if !hasDirective(h, "no-store") {
		h.Del("Cache-Control")
	}
}

// send sends resp. Its status and header are valid.
func (resp Response) send(w http.ResponseWriter, r *http.Request) error {
	header := w.Header()
	for name, values := range resp.Header {
		header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	status := resp.Status
	if status == 0 {
		status = http.StatusOK
		if resp.body == nil {
			status = http.StatusNoContent
		}
	}
	if f, ok := resp.body.(*fileBody); ok {
		if status == http.StatusOK {
			return f.content.serve(w, r)
		}
		if err := f.content.describe(header); err != nil {
			return err
		}
	}
	if status == http.StatusOK && isSafe(r) {
		if instead, _ := precondition(r, validatorsOf(header)); instead != 0 {
			return answerCondition(w, instead)
		}
	}
	return resp.sendBody(w, r, status)
}

func (resp Response) sendBody(w http.ResponseWriter, r *http.Request, status int) error {
	if !bodyAllowed(status) {
		w.Header().Del("Content-Type")
		w.Header().Del("Content-Length")
		w.WriteHeader(status)
		return nil
	}
	b := resp.body
	if b == nil {
		b = bytesBody(nil)
	}
	trailing := len(resp.trailers) > 0 && r.ProtoAtLeast(1, 1) && r.Method != http.MethodHead
	if trailing {
		resp.announce(w.Header())
		w.Header().Del("Content-Length")
	} else if n := b.length(); n >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(status)
		return nil
	}
	if err := b.send(w, r, status); err != nil || !trailing {
		return err
	}
	return resp.trail(w.Header())
}

// isSafe reports whether r is a GET or HEAD request.
func isSafe(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }
