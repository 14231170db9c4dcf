package load

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// datagrams answers each datagram with the result of reply, which receives the datagram and the number of earlier ones.
func datagrams(t *testing.T, reply func(n int, p []byte) [][]byte) string {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 64<<10)
		for i := 0; ; i++ {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for _, p := range reply(i, buf[:n]) {
				_, _ = conn.WriteToUDPAddrPort(p, from)
			}
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		<-ended
	})
	return "udp://" + conn.LocalAddr().String()
}

func TestDatagramsAreAnsweredInBothLoops(t *testing.T) {
	for _, spec := range []Spec{
		{Codec: "raw", Size: 64, Window: 1},
		{Codec: "u32", Size: 64, Window: 32},
		{Codec: "lines", Size: 64, Window: 4, Rate: 2000},
	} {
		spec.URL = datagrams(t, func(_ int, p []byte) [][]byte { return [][]byte{p} })
		spec.Conns, spec.Time, spec.Loss = 2, 500*time.Millisecond, 0.5
		r, err := Run(t.Context(), spec, nil)
		require.NoError(t, err)
		require.Positive(t, r.Replies)
		require.Positive(t, r.Latency.Count)
	}
}

func TestLostDatagramsAreCountedAndMakeRoom(t *testing.T) {
	spec := Spec{
		Codec: "raw", Size: 64, Conns: 1, Window: 4, Time: 500 * time.Millisecond, Timeout: 100 * time.Millisecond,
	}
	spec.URL = datagrams(t, func(n int, p []byte) [][]byte {
		if n%10 == 3 {
			return nil
		}
		return [][]byte{p}
	})
	r, err := Run(t.Context(), spec, nil)
	require.ErrorIs(t, err, errUnanswered)
	require.Positive(t, r.Lost)
	spec.Loss = 0.7 // late ones of a busy machine count too
	r, err = Run(t.Context(), spec, nil)
	require.NoError(t, err)
	require.Greater(t, r.Total, uint64(4)) // it continued
}

func TestWrongDatagramsAreNoticed(t *testing.T) {
	spec := Spec{Codec: "raw", Size: 64, Conns: 1, Window: 2, Time: 10 * time.Second}
	for name, c := range map[string]struct {
		reply func(p []byte) [][]byte
		says  string
	}{
		"twice":     {func(p []byte) [][]byte { return [][]byte{p, p} }, "answered twice"},
		"altered":   {func(p []byte) [][]byte { p[20]++; return [][]byte{p} }, "its bytes differ"},
		"shortened": {func(p []byte) [][]byte { return [][]byte{p[:63]} }, "length"},
		"longer":    {func(p []byte) [][]byte { return [][]byte{append(p, 1)} }, "length"},
		"invented":  {func(p []byte) [][]byte { p[0]++; return [][]byte{p} }, "it is numbered"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := spec
			spec.URL = datagrams(t, func(_ int, p []byte) [][]byte { return c.reply(p) })
			_, err := Run(t.Context(), spec, nil)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestNobodyAtThePortIsNoticed(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "udp://" + conn.LocalAddr().String()
	require.NoError(t, conn.Close())
	_, err = Run(t.Context(), Spec{URL: url, Codec: "raw", Size: 64, Conns: 1, Window: 1, Time: time.Minute}, nil)
	require.ErrorContains(t, err, "refused")
}
