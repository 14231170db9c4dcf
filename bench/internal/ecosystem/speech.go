package ecosystem

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Text is the message type of these services.
type Text = wrapperspb.StringValue

// Speech is a service of connect-go: one method of each kind.
func Speech() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/speech/Say", connect.NewUnaryHandler("/speech/Say",
		func(_ context.Context, r *connect.Request[Text]) (*connect.Response[Text], error) {
			if r.Msg.GetValue() == "" {
				err := connect.NewError(connect.CodeInvalidArgument, errors.New("nothing to say"))
				err.Meta().Set("X-Reason", "empty")
				return nil, err
			}
			resp := connect.NewResponse(wrapperspb.String(strings.ToUpper(r.Msg.GetValue())))
			resp.Header().Set("X-Head", r.Header().Get("X-Sent"))
			resp.Trailer().Set("X-Trail", "last")
			return resp, nil
		}))
	mux.Handle("/speech/Spell", connect.NewServerStreamHandler("/speech/Spell",
		func(_ context.Context, r *connect.Request[Text], out *connect.ServerStream[Text]) error {
			for _, c := range r.Msg.GetValue() {
				if c == '!' {
					return connect.NewError(connect.CodeAborted, errors.New("enough"))
				}
				if err := out.Send(wrapperspb.String(string(c))); err != nil {
					return err
				}
			}
			return nil
		}))
	mux.Handle("/speech/Join", connect.NewClientStreamHandler("/speech/Join",
		func(_ context.Context, in *connect.ClientStream[Text]) (*connect.Response[Text], error) {
			var all []string
			for in.Receive() {
				all = append(all, in.Msg().GetValue())
			}
			return connect.NewResponse(wrapperspb.String(strings.Join(all, "+"))), in.Err()
		}))
	mux.Handle("/speech/Talk", connect.NewBidiStreamHandler("/speech/Talk",
		func(_ context.Context, both *connect.BidiStream[Text, Text]) error {
			for {
				m, err := both.Receive()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				if err := both.Send(wrapperspb.String(strings.ToUpper(m.GetValue()))); err != nil {
					return err
				}
			}
		}))
	mux.Handle("/speech/Wait", connect.NewUnaryHandler("/speech/Wait",
		func(ctx context.Context, _ *connect.Request[Text]) (*connect.Response[Text], error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}))
	return mux
}

// ConnectSpeech calls every method of the service at a URL with connect-go over client. If duplex is set, this includes
// the method that sends and receives at once.
func ConnectSpeech(t *testing.T, client connect.HTTPClient, url string, duplex bool, options ...connect.ClientOption) {
	ctx := Within(t)
	speech := func(method string) *connect.Client[Text, Text] {
		return connect.NewClient[Text, Text](client, url+"/speech/"+method, options...)
	}
	say := connect.NewRequest(wrapperspb.String("hello"))
	say.Header().Set("X-Sent", "kept")
	said, err := speech("Say").CallUnary(ctx, say)
	require.NoError(t, err)
	require.Equal(t, "HELLO", said.Msg.GetValue())
	require.Equal(t, "kept", said.Header().Get("X-Head"))
	require.Equal(t, "last", said.Trailer().Get("X-Trail"))
	long := strings.Repeat("x", 1<<20)
	said, err = speech("Say").CallUnary(ctx, connect.NewRequest(wrapperspb.String(long)))
	require.NoError(t, err)
	require.True(t, said.Msg.GetValue() == strings.ToUpper(long))

	_, err = speech("Say").CallUnary(ctx, connect.NewRequest(wrapperspb.String("")))
	var failed *connect.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, connect.CodeInvalidArgument, failed.Code())
	require.Equal(t, "empty", failed.Meta().Get("X-Reason"))

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = speech("Wait").CallUnary(short, connect.NewRequest(wrapperspb.String("")))
	require.Equal(t, connect.CodeDeadlineExceeded, connect.CodeOf(err), "%v", err)

	spelled, err := speech("Spell").CallServerStream(ctx, connect.NewRequest(wrapperspb.String("abc!")))
	require.NoError(t, err)
	var letters string
	for spelled.Receive() {
		letters += spelled.Msg().GetValue()
	}
	require.Equal(t, "abc", letters)
	require.Equal(t, connect.CodeAborted, connect.CodeOf(spelled.Err()))
	require.NoError(t, spelled.Close())

	join := speech("Join").CallClientStream(ctx)
	for _, word := range []string{"a", "b", "c"} {
		require.NoError(t, join.Send(wrapperspb.String(word)))
	}
	joined, err := join.CloseAndReceive()
	require.NoError(t, err)
	require.Equal(t, "a+b+c", joined.Msg.GetValue())

	if duplex {
		connectTalk(t, speech("Talk").CallBidiStream(ctx))
	}
}

func connectTalk(t *testing.T, talk *connect.BidiStreamForClient[Text, Text]) {
	for _, word := range []string{"one", "two", "three"} {
		require.NoError(t, talk.Send(wrapperspb.String(word)))
		m, err := talk.Receive()
		require.NoError(t, err)
		require.Equal(t, strings.ToUpper(word), m.GetValue())
	}
	require.NoError(t, talk.CloseRequest())
	_, err := talk.Receive()
	require.True(t, errors.Is(err, io.EOF), "%v", err)
	require.NoError(t, talk.CloseResponse())
}
