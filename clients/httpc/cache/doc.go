// Package cache is a cache of HTTP responses for one user, as RFC 9111 describes a private cache. It is middleware of an
// httpc.Client, and of anything else that has an http.RoundTripper:
//
//	responses := cache.New(cache.NewMemory(64<<20), nil)
//	client.Use(responses.Middleware)
//
// A response that is fresh comes from the cache, a stale one is validated by its ETag or Last-Modified, and whatever else
// there is goes to the server. Bodies are passed on as they come: a response is stored when its body has been read to its
// end, never earlier, and never one that ended early.
//
// # Whose responses
//
// The cache is private: it stores what Cache-Control says is private. A response to a request with an Authorization field
// serves only requests with the same one. Everybody else that a Cache is shared among sees the same responses, also those
// that were made for somebody's cookies, unless Vary says otherwise: users do not share a Cache. Neither do requests
// for one URL that a Route takes to different servers.
//
// # What is left out
//
// Parts are served from a stored response that is whole and fresh: one range of bytes, on the condition of If-Range. The
// responses to other Range requests are passed on and not stored. stale-while-revalidate is taken for what it permits, not
// for what it asks: a stale response is validated before it is used, so that no goroutine outlives a request.
//
// # Cookies
//
// Set-Cookie is stored as every other field: RFC 9111 3.1. A stored response that goes to the jar of an httpc.Config comes
// without it, for the jar would take an old cookie for a new one, and forget a newer. Do not give an http.Client with a jar
// of its own the Transport of a Client that has a Cache.
//
// # Guarantees
//
//   - A store that fails, panics or returns something else than it was given costs a request to the server, no more.
//   - A body of which more than Config.MaxBody has come is passed on and forgotten.
//   - Fields of requests that responses vary by are kept as digests, for they may be secrets.
package cache
