package codec_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// packetPipe returns two ends in memory that send packets to each other.
func packetPipe() (a, b *chanio.Duplex[chanio.Packet, chanio.Packet]) {
	in, out := chanio.PipeOf[chanio.Packet](8)
	in2, out2 := chanio.PipeOf[chanio.Packet](8)
	return &chanio.Duplex[chanio.Packet, chanio.Packet]{Out: out, In: in2}, &chanio.Duplex[chanio.Packet, chanio.Packet]{Out: out2, In: in}
}

var port9 = netip.MustParseAddrPort("127.0.0.1:9")

func TestPacketsCarryValues(t *testing.T) {
	a, b := packetPipe()
	near, far := codec.Packets(a, codec.Uint32, nil), codec.Packets(b, codec.Uint32, nil)
	require.NoError(t, near.Out.Send(t.Context(), codec.Addressed[uint32]{Addr: port9, Value: 7}))
	ok, err := near.Out.TrySend(codec.Addressed[uint32]{Addr: port9, Value: 8})
	require.NoError(t, err)
	require.True(t, ok)
	for _, want := range []uint32{7, 8} {
		m, err := far.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, codec.Addressed[uint32]{Addr: port9, Value: want}, m)
	}
	require.NoError(t, near.Close())
	_, err = far.In.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	<-a.Out.Done()
}

func TestMalformedPacketsAreSkippedAndTold(t *testing.T) {
	a, b := packetPipe()
	var told []string
	far := codec.Packets(b, codec.Uint16, func(p chanio.Packet, err error) {
		require.True(t, errors.As(err, new(*codec.Error)))
		require.Equal(t, port9, p.Addr)
		told = append(told, string(p.Data))
	})
	for _, data := range []string{"x", "ab", "", "abc", "cd"} {
		require.NoError(t, a.Out.Send(t.Context(), chanio.Packet{Addr: port9, Data: []byte(data)}))
	}
	for _, want := range []uint16{'a'<<8 | 'b', 'c'<<8 | 'd'} {
		m, err := far.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, m.Value)
	}
	require.Equal(t, []string{"x", "", "abc"}, told, "too short, empty, too long")
	require.NoError(t, far.Close())
}

func TestWhatPacketsCannotEncodeLeavesTheRestAlone(t *testing.T) {
	a, b := packetPipe()
	short := codec.Prefixed(codec.Uint8, codec.String, codec.Max(3))
	near, far := codec.Packets(a, short, nil), codec.Packets(b, short, nil)
	require.True(t, errors.As(near.Out.Send(t.Context(), codec.Addressed[string]{Value: "toolong"}), new(*codec.Error)))
	_, err := near.Out.TrySend(codec.Addressed[string]{Value: "toolong"})
	require.True(t, errors.As(err, new(*codec.Error)))
	require.NoError(t, near.Out.Send(t.Context(), codec.Addressed[string]{Value: "ok"}))
	m, err := far.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ok", m.Value)
	require.NoError(t, near.Close())
	_ = far.Close() // the far end of a pipe has ended with the near one
}

func ExamplePackets() {
	a, b := packetPipe() // or servers.ListenUDP and clients.DialUDP
	near, far := codec.Packets(a, codec.String, nil), codec.Packets(b, codec.String, nil)
	ctx := context.Background()
	_ = near.Out.Send(ctx, codec.Addressed[string]{Addr: port9, Value: "hello"})
	m, _ := far.In.Recv(ctx)
	fmt.Println(m.Addr, m.Value)
	// Output: 127.0.0.1:9 hello
}
