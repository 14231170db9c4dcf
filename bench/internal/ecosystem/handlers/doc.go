// Package handlers contains only tests: routers, middleware, RPC libraries, proxies and handlers of the standard
// library run over httpd, unchanged. Each test also runs over net/http, which shows that it is right.
package handlers
