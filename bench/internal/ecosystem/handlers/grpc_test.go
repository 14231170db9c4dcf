package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

type text = ecosystem.Text

// speechDesc is the service that a generator would make: a unary method, and one that streams both ways.
var speechDesc = grpc.ServiceDesc{
	ServiceName: "speech",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Say",
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(text)
			if err := decode(in); err != nil {
				return nil, err
			}
			return sayGRPC(ctx, in)
		},
	}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Talk", ServerStreams: true, ClientStreams: true, Handler: talkGRPC},
		{StreamName: "Count", ServerStreams: true, Handler: countGRPC},
	},
}

func sayGRPC(ctx context.Context, in *text) (*text, error) {
	switch in.GetValue() {
	case "":
		return nil, status.Error(codes.InvalidArgument, "nothing to say: ü%")
	case "wait":
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	md, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-head", strings.Join(md["x-sent"], ","), "x-bin", "\x00\x01\xff"))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-trail", "last"))
	return wrapperspb.String(strings.ToUpper(in.GetValue())), nil
}

func talkGRPC(_ any, s grpc.ServerStream) error {
	for {
		in := new(text)
		if err := s.RecvMsg(in); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if in.GetValue() == "fail" {
			return status.Error(codes.DataLoss, "as told")
		}
		if err := s.SendMsg(wrapperspb.String(strings.ToUpper(in.GetValue()))); err != nil {
			return err
		}
	}
}

func countGRPC(_ any, s grpc.ServerStream) error {
	in := new(text)
	if err := s.RecvMsg(in); err != nil {
		return err
	}
	for i := range 1000 {
		if err := s.SendMsg(wrapperspb.String(fmt.Sprint(in.GetValue(), i))); err != nil {
			return err
		}
	}
	return nil
}

func newGRPC() *grpc.Server {
	srv := grpc.NewServer()
	srv.RegisterService(&speechDesc, new(any))
	return srv
}

func TestServeHTTPOfGRPC(t *testing.T) {
	srv := newGRPC()
	mixed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			srv.ServeHTTP(w, r)
			return
		}
		_, _ = io.WriteString(w, "not gRPC")
	})
	ecosystem.Both(t, mixed, func(t *testing.T, s ecosystem.Server) {
		if !s.HTTP2 {
			t.Skip("gRPC is over HTTP/2")
		}
		creds := insecure.NewCredentials()
		if s.Secure {
			creds = credentials.NewTLS(s.TLS())
		}
		conn, err := grpc.NewClient("passthrough:///"+s.Addr, grpc.WithTransportCredentials(creds))
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		unaryGRPC(t, conn)
		streamGRPC(t, conn)
		_, body := s.Get(t, s.Client(t), "/")
		require.Equal(t, "not gRPC", body)
	})
}

func unaryGRPC(t *testing.T, conn *grpc.ClientConn) {
	ctx := metadata.AppendToOutgoingContext(ecosystem.Within(t), "x-sent", "kept")
	var head, trail metadata.MD
	out := new(text)
	say := func(ctx context.Context, what string) error {
		return conn.Invoke(ctx, "/speech/Say", wrapperspb.String(what), out, grpc.Header(&head), grpc.Trailer(&trail))
	}
	require.NoError(t, say(ctx, "hello"))
	require.Equal(t, "HELLO", out.GetValue())
	require.Equal(t, []string{"kept"}, head["x-head"])
	require.Equal(t, []string{"\x00\x01\xff"}, head["x-bin"])
	require.Equal(t, []string{"last"}, trail["x-trail"])
	long := strings.Repeat("x", 3<<20)
	require.NoError(t, say(ctx, long))
	require.True(t, out.GetValue() == strings.ToUpper(long))

	err := say(ctx, "")
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.Equal(t, "nothing to say: ü%", status.Convert(err).Message())
	require.Equal(t, codes.Unimplemented, status.Code(conn.Invoke(ctx, "/speech/None", out, out)))

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	require.Equal(t, codes.DeadlineExceeded, status.Code(say(short, "wait")))
	require.NoError(t, say(ctx, "go on"))
}

func streamGRPC(t *testing.T, conn *grpc.ClientConn) {
	ctx := ecosystem.Within(t)
	talk, err := conn.NewStream(ctx, &speechDesc.Streams[0], "/speech/Talk")
	require.NoError(t, err)
	out := new(text)
	for _, word := range []string{"one", "two", strings.Repeat("long", 100_000)} {
		require.NoError(t, talk.SendMsg(wrapperspb.String(word)))
		require.NoError(t, talk.RecvMsg(out))
		require.True(t, out.GetValue() == strings.ToUpper(word))
	}
	require.NoError(t, talk.CloseSend())
	require.ErrorIs(t, talk.RecvMsg(out), io.EOF)

	talk, err = conn.NewStream(ctx, &speechDesc.Streams[0], "/speech/Talk")
	require.NoError(t, err)
	require.NoError(t, talk.SendMsg(wrapperspb.String("fail")))
	err = talk.RecvMsg(out)
	require.Equal(t, codes.DataLoss, status.Code(err), "%v", err)

	// A stream that the client cancels ends its handler and nothing else.
	part, cancel := context.WithCancel(ctx)
	talk, err = conn.NewStream(part, &speechDesc.Streams[0], "/speech/Talk")
	require.NoError(t, err)
	require.NoError(t, talk.SendMsg(wrapperspb.String("one")))
	require.NoError(t, talk.RecvMsg(out))
	cancel()
	require.Equal(t, codes.Canceled, status.Code(talk.RecvMsg(out)))

	count, err := conn.NewStream(ctx, &speechDesc.Streams[1], "/speech/Count")
	require.NoError(t, err)
	require.NoError(t, count.SendMsg(wrapperspb.String("n")))
	require.NoError(t, count.CloseSend())
	for i := range 1000 {
		require.NoError(t, count.RecvMsg(out))
		require.Equal(t, fmt.Sprint("n", i), out.GetValue())
	}
	require.ErrorIs(t, count.RecvMsg(out), io.EOF)
}
