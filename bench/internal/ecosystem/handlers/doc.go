// Package handlers has no code but tests: routers, middleware, RPC libraries, proxies and what of the standard library takes
// or is an http.Handler run over httpd, unchanged. Each test runs over net/http too, which shows that it asks for the
// right thing.
package handlers
