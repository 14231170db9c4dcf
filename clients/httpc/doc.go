// Package httpc is an HTTP client whose request and response bodies are typed streams.
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
// A [Client] keeps connections and shares them among requests. It implements [http.RoundTripper] with its whole
// contract, and [Client.HTTP] returns an [*http.Client] over it, so it works with code written for either.
//
// # What is repeated, and what is not
//
// A request whose connection turns out to be dead is sent again over another one if nothing of it was written, or if it
// was the first on a reused connection, no response byte has arrived, and its method is idempotent (RFC 9110 9.2.2) or
// it has an Idempotency-Key. Its body must be repeatable. A POST whose bytes may have reached a server is never
// repeated. A response of status 408 that closes a reused connection counts as none, since it answers the idle time
// before the request. A request is also sent again after 421, and without its Expect field after 417. A [RetryPolicy]
// repeats more requests, by the same rules; a dial that fails has sent nothing.
//
// # Redirects
//
// Credentials, cookies and the fields named in Config.SensitiveHeaders are sent only to the origin they were meant for:
// once a redirect changes scheme, host or port, they are omitted for the rest of the chain. A redirect from https to
// http is an error.
//
// # Guarantees
//
//   - A request that two parsers might interpret differently is not sent, and a response of that kind is an error.
//   - Every length received from the network is limited; see [Config].
//   - A body that ends early is an error, never a short body.
//   - An HTTP/1 connection has no goroutine while it is idle or its response is being read; an HTTP/2 connection has
//     one. A request has one while its body is sent, unless the body is short and in memory. A body that is decoded, or
//     that middleware has wrapped, has one while a receiver waits for it.
//   - Secrets do not appear in errors, dumps and statistics.
package httpc
