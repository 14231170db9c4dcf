//go:build linux

package stream_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/stream"
)

func TestAnIdleStreamHoldsLittle(t *testing.T) {
	const n = 200
	var ends [2][n]*net.TCPConn
	for i := range n {
		ends[0][i], ends[1][i] = tcpPair(t)
	}
	streams := make([]*stream.Stream, n)
	before := settledHeap()
	waiting := make(chan error, n)
	for i := range n {
		streams[i] = stream.New(ends[0][i], config(nil))
		go func() {
			var err error
			for err == nil {
				var p []byte
				if p, err = streams[i].In.Next(t.Context()); err == nil {
					err = streams[i].Out.Send(t.Context(), p)
				}
			}
			waiting <- err
		}()
	}
	for i := range n {
		for range 2 {
			_, err := ends[1][i].Write([]byte("hello"))
			require.NoError(t, err)
			_, err = ends[1][i].Read(make([]byte, 5))
			require.NoError(t, err)
		}
	}
	grown := (settledHeap() - before) / n
	t.Logf("%d bytes of heap each", grown)
	if !raceEnabled {
		require.Less(t, grown, 1750)
	}
	for i := range n {
		streams[i].Abort(nil)
		<-waiting
	}
}
