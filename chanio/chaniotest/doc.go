// Package chaniotest helps to test streams: a conformance suite for endpoints, an in-memory network, a check for leaked
// goroutines, and a net.Conn that counts.
//
// An endpoint is held to the contract of package chanio by handing its constructor to the suite:
//
//	func TestMain(m *testing.M) { chaniotest.Main(m) }
//
//	func TestConn(t *testing.T) {
//		chaniotest.TestConn(t, chaniotest.Conns{
//			Connect: func(t testing.TB) (near, far *chanio.Conn) { ... },
//		})
//	}
//
// [TestConn] is for byte streams, [TestDuplex] for typed ones, [TestSource] and [TestSink] for what has one half only.
// Each runs a table of cases, named after the guarantee that they hold, as subtests. A case that hangs fails, with the
// stacks of the goroutines that it started.
//
// [Network] connects both sides of a test without a socket, so that a testing/synctest bubble can hold them.
// [Relay] and [PacketRelay] do to connections and datagrams what a bad network would.
//
// # Guarantees
//
//   - The suite starts nothing that outlives a passing case, and no case depends on how long anything takes.
//   - Each case was seen to fail on an endpoint that was broken for it.
package chaniotest
