// Package httpc is an HTTP client: requests go out and responses come in as typed streams.
//
//	resp, err := httpc.Get(ctx, "https://example.org/numbers")
//	if err != nil {
//		return err
//	}
//	defer resp.Close()
//	for line := range resp.Lines().All(ctx) {
//		fmt.Println(line)
//	}
//
// A [Client] keeps connections and shares them among requests. It is an http.RoundTripper with the whole contract of that,
// and [Client.HTTP] makes an *http.Client of it, so that whatever works over one of those works over it.
//
// # What is sent twice, and what is not
//
// A request whose connection turns out to be dead is sent again over another one if nothing of it was written, or if it was
// the first to use an old connection, nothing has come back, and its method is idempotent (RFC 9110 9.2.2) or it has an
// Idempotency-Key. Its body must be one that can be read again. A POST whose bytes may have reached a server is never
// repeated. A [RetryPolicy] repeats more, by the same rules.
//
// # Redirects
//
// Credentials, cookies and the fields named in Config.SensitiveHeaders stay with the origin they were meant for: once a
// redirect changes scheme, host or port they are gone for the rest of the chain. A redirect from https to http is an error.
//
// # Guarantees
//
//   - A request that two parsers might read differently is not sent, and a response that they might is an error.
//   - Every length that comes from the network has a bound; see [Config].
//   - A body that ends early is an error, never a short body.
//   - No goroutine belongs to a connection of HTTP/1 that is idle or whose response is being read, and one to a connection
//     of HTTP/2. A request has one while its body is sent, unless that is short and in memory.
//   - Secrets do not appear in errors, dumps and statistics.
package httpc
