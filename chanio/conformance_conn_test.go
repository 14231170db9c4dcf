package chanio_test

import (
	"testing"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// withoutSocket hides the socket of a conn from ConnOf.
func withoutSocket(conn *chanio.Conn) *chanio.Conn {
	return chanio.ConnOf(conn.In, conn.Out, &chanio.ConnInfo{
		SetReadDeadline: conn.SetReadDeadline, SetWriteDeadline: conn.SetWriteDeadline,
		EndIn: conn.EndIn, Released: conn.Released,
	})
}

func TestConformanceOfConnOf(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: func(testing.TB) (near, far *chanio.Conn) {
			a, b := chanio.Pipe()
			return withoutSocket(a), withoutSocket(b)
		},
		Facts: chaniotest.Facts{Bubble: true},
	})
}

// TestConformanceOfRelay runs the suite with a relay between the two ends.
func TestConformanceOfRelay(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			near, a := chanio.Pipe()
			b, far := chanio.Pipe()
			go func() {
				if err := chanio.Relay(t.Context(), a, b); err != nil {
					a.Abort(err)
					b.Abort(err)
				}
				_ = a.Close()
				_ = b.Close()
			}()
			return near, far
		},
		Facts: chaniotest.Facts{Bubble: true},
	})
}
