package httpd

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/weir-go/weir/chanio"
)

// MaxBody returns a handler that limits the request bodies for next, for one route or several, to n bytes. A request
// that announces more is answered 413. Reading beyond n fails with an error that matches [chanio.ErrTooLarge], and on the
// server of this package a request without a reply then gets 413. On other servers, and if middleware such as
// [Decompress] has replaced the body, the error wraps an [*http.MaxBytesError], and the handler must answer. A lower
// Config.MaxBody still applies.
func MaxBody(next http.Handler, n int64) http.Handler {
	switch {
	case next == nil:
		panic("httpd: MaxBody: next is nil")
	case n < 0:
		panic(fmt.Sprintf("httpd: MaxBody: n is %d", n))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > n {
			http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
			return
		}
		if own, ok := r.Body.(interface{ bound(n int64) }); ok {
			own.bound(n)
		} else if r.Body != nil && r.Body != http.NoBody {
			limited := new(http.Request)
			*limited = *r
			limited.Body = limitedBody{http.MaxBytesReader(w, r.Body, n)}
			defer func(r *http.Request) { r.MultipartForm = limited.MultipartForm }(r) // the server removes its files
			r = limited
		}
		next.ServeHTTP(w, r)
	})
}

// limitedBody adds chanio.ErrTooLarge to the error of an http.MaxBytesReader.
type limitedBody struct{ io.ReadCloser }

func (b limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		err = fmt.Errorf("%w: %w", err, chanio.ErrTooLarge)
	}
	return n, err
}
