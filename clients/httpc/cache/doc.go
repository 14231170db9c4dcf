// Package cache is a cache of HTTP responses for one user: a private cache as defined by RFC 9111. It is middleware for
// an httpc.Client, or for anything else with an http.RoundTripper:
//
//	responses := cache.New(cache.NewMemory(64<<20), nil)
//	client.Use(responses.Middleware)
//
// A fresh response is answered from the cache. A stale one is validated by its ETag or Last-Modified. All other
// requests go to the server. Bodies are passed on as they arrive. A response is stored when its body has been read to
// its end, and never if the body ended early.
//
// # Private responses
//
// The cache stores responses that Cache-Control declares private. A response to a request with an Authorization field
// serves only requests with the same field. Otherwise all users of a Cache share its responses, including responses to
// requests with cookies, unless Vary prevents it. Do not share a Cache among users, or among requests for one URL that
// a Route directs to different servers.
//
// # Limitations
//
// A partial response is served only from a stored response that is complete and fresh, for a single byte range, subject
// to If-Range. Responses to other Range requests are passed on and not stored. stale-while-revalidate does not cause
// background requests: a stale response is validated before it is used, so that no goroutine outlives a request.
//
// # Cookies
//
// Set-Cookie is stored like any other field (RFC 9111 3.1). If an httpc.Config has a Jar, stored responses are returned
// without the field, because the jar would replace newer cookies with the old ones. Do not use the Transport of a
// Client with a Cache in an http.Client that has its own jar.
//
// # Guarantees
//
//   - A store that fails, panics or returns a wrong value costs at most a request to the server.
//   - A body of more than Config.MaxBody bytes is passed on and not stored.
//   - Request fields that responses vary by are stored as digests, since they may be secrets.
package cache
