package httpd

import (
	"io"
	"net/http"
)

// follower is implemented by the request bodies of this package. After follow, trailers are stored in r, which is a
// copy of the body's request.
type follower interface{ follow(r *http.Request) }

func (b *requestBody) follow(r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.req = r
}

func (b *streamBody) follow(r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trailers = r
}

// trailersTo stores the trailers of body in r, a copy of its request, if the server supports that.
func trailersTo(r *http.Request, body io.Reader) {
	if own, ok := body.(follower); ok {
		own.follow(r)
	}
}
