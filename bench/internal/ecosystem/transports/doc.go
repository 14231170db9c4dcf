// Package transports has no code but tests: libraries that send requests over an http.Client or an http.RoundTripper run over
// httpc, unchanged. Where the order of things matters, net/http's Transport is asked for the same.
package transports
