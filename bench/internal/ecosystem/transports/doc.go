// Package transports contains only tests: libraries that send requests over an http.Client or an http.RoundTripper run
// over httpc, unchanged. If the order of events matters, net/http's Transport runs the same test.
package transports
