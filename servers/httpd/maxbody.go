package httpd

import (
	"fmt"
	"net/http"
)

// MaxBody returns a handler that limits the request bodies for next, for one route or several, to n bytes. A request
// that announces more is answered 413. On the server of this package, reading beyond n fails with an error that matches
// [chanio.ErrTooLarge], and a request without a reply gets 413; on other servers it fails with an
// [*http.MaxBytesError]. A lower Config.MaxBody still applies.
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
			limited.Body = http.MaxBytesReader(w, r.Body, n)
			r = limited
		}
		next.ServeHTTP(w, r)
	})
}
