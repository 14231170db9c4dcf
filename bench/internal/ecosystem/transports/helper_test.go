package transports

import (
	"net/http"
	"testing"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

// over runs a test with an http.Client of httpc and with net/http's, against net/http's server and httpd, with each
// version.
func over(t *testing.T, handler http.Handler, f func(t *testing.T, s ecosystem.Server, client *http.Client)) {
	ecosystem.Both(t, handler, func(t *testing.T, s ecosystem.Server) {
		t.Run("httpc", func(t *testing.T) { f(t, s, s.Ours(t, nil).HTTP()) })
		t.Run("Transport", func(t *testing.T) { f(t, s, s.Client(t)) })
	})
}
