package httpd

import (
	"io"
	"net/http"
)

// follower is what the bodies of this package's requests are: they put the trailers into another request from now on, which
// is a copy of theirs.
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

// trailersTo has the trailers of body arrive in r, a copy of its request, as far as the server can do that.
func trailersTo(r *http.Request, body io.Reader) {
	if own, ok := body.(follower); ok {
		own.follow(r)
	}
}
