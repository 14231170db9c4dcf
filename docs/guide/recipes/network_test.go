package recipes

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

func TestServerInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		l, err := network.Listen("server")
		require.NoError(t, err)
		ln, err := servers.Listen(l, &servers.Config{Conn: chanio.ConnConfig{IdleTimeout: time.Hour}})
		require.NoError(t, err)
		go func() { _ = ln.Serve(t.Context(), answerAll) }()
		conn, err := network.Dial(t.Context(), "server")
		require.NoError(t, err)
		d := codec.FrameBoth(conn, answers, questions)
		require.NoError(t, d.Out.Send(t.Context(), Question{"hello"}))
		reply, err := d.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "HELLO", reply.Text)
		_, err = d.In.Recv(t.Context())
		require.ErrorIs(t, err, io.EOF) // after an hour without a question
		require.NoError(t, d.Close())
		require.NoError(t, ln.Shutdown(t.Context()))
	})
}

func TestWebServerInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		l, err := network.Listen("server:80")
		require.NoError(t, err)
		server := httpd.New(http.NotFoundHandler(), nil)
		go func() { _ = server.Serve(t.Context(), l) }()
		client := httpc.New(&httpc.Config{
			Dial: func(ctx context.Context, addr string, _ *chanio.ConnConfig) (*chanio.Conn, error) {
				return network.Dial(ctx, addr)
			},
		})
		resp, err := client.Get(t.Context(), "http://server/")
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, resp.Status)
		require.NoError(t, resp.Close())
		require.NoError(t, client.Close())
		require.NoError(t, server.Shutdown(t.Context()))
	})
}
