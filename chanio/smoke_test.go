package chanio_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

func tcpPair(t testing.TB) (*chanio.Conn, *chanio.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	b, err := ln.Accept()
	require.NoError(t, err)
	return chanio.NewConn(a, nil), chanio.NewConn(b, nil)
}

func TestSmoke(t *testing.T) {
	for name, mk := range map[string]func(testing.TB) (*chanio.Conn, *chanio.Conn){"tcp": tcpPair, "mem": func(testing.TB) (*chanio.Conn, *chanio.Conn) { return chanio.Pipe() }} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			a, b := mk(t)
			res := make(chan error, 1)
			go func() { res <- pipeline.Connect(ctx, b.In, b.Out) }()
			require.NoError(t, a.Out.Send(ctx, []byte("hello")))
			v, err := a.In.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, "hello", string(v))
			big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
			go func() { a.Out.Send(ctx, big); close(a.Out.C(ctx)) }()
			var got []byte
			for v := range a.In.C(ctx) {
				got = append(got, v...)
			}
			require.NoError(t, a.In.Err())
			require.True(t, bytes.Equal(big, got))
			require.NoError(t, <-res)
			require.NoError(t, a.Close())
			require.NoError(t, b.Close())
			<-a.Done()
			<-b.Done()
			_, err = a.In.Recv(ctx)
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

func TestCancelRecv(t *testing.T) {
	a, b := tcpPair(t)
	for range 100 {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		_, err := a.In.Recv(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, b.Out.Send(t.Context(), []byte("x")))
	v, err := a.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "x", string(v))
}
