package handlers

import (
	"net/http"
	"testing"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

// TestReverseProxy uses httpd in front of the proxy, behind it, or both.
func TestReverseProxy(t *testing.T) {
	for _, front := range ecosystem.Ways {
		for _, back := range ecosystem.Ways {
			t.Run(front.Name+" to "+back.Name, func(t *testing.T) {
				for _, c := range []struct{ front, back string }{
					{"httpd", "httpd"}, {"httpd", "nethttp"}, {"nethttp", "httpd"}, {"nethttp", "nethttp"},
				} {
					if front != back && c.front+c.back != "httpdhttpd" {
						continue
					}
					t.Run(c.front+" to "+c.back, func(t *testing.T) {
						lines := make(chan string)
						backend := serve(t, c.back, back, ecosystem.Backend(lines))
						transport := backend.Client(t).Transport
						proxy := serve(t, c.front, front, ecosystem.Proxy(t, backend, transport))
						// An upgrade needs HTTP/1.1, which the Transport also uses beside HTTP/2 over TLS.
						ecosystem.ThroughProxy(t, proxy, lines, !front.HTTP2 && (!back.HTTP2 || back.Secure))
					})
				}
			})
		}
	}
}

func serve(t *testing.T, kind string, way ecosystem.Way, h http.Handler) ecosystem.Server {
	if kind == "httpd" {
		return ecosystem.Serve(t, way, h, nil)
	}
	return ecosystem.ServeStandard(t, way, h)
}
