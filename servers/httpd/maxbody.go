package httpd

import (
	"fmt"
	"net/http"
)

// MaxBody returns a handler that limits the bodies of its requests to n bytes before next sees them, for one route or several.
// One that announces more is answered 413. Reading beyond n of another fails with an error that is [chanio.ErrTooLarge] on the
// server of this package, where a request that was not answered yet gets 413, and an *[http.MaxBytesError] on others. A limit
// of Config.MaxBody that is lower stays.
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
