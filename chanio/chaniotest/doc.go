// Package chaniotest helps to test streams. It provides a conformance suite for endpoints, an in-memory network, a
// check for leaked goroutines, and a net.Conn that counts.
//
// To test an endpoint against the contract of package chanio, pass its constructor to the suite:
//
//	func TestMain(m *testing.M) { chaniotest.Main(m) }
//
//	func TestConn(t *testing.T) {
//		chaniotest.TestConn(t, chaniotest.Conns{
//			Connect: func(t testing.TB) (near, far *chanio.Conn) { ... },
//		})
//	}
//
// [TestConn] is for byte streams, [TestDuplex] for typed streams, and [TestSource] and [TestSink] for endpoints with
// only one half. Each runs a table of cases as subtests, which are named after the guarantee that they test. A case
// that hangs fails with the stacks of the goroutines that it started.
//
// [Network] connects both sides of a test without sockets, so that they can run in a testing/synctest bubble. [Relay]
// and [PacketRelay] simulate a bad network for connections and datagrams.
//
// # Guarantees
//
//   - A passing case leaves no goroutine behind, and no case depends on how long anything takes.
//   - Each case has been seen to fail on an endpoint that was broken for it.
package chaniotest
