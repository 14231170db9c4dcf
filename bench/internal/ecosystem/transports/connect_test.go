package transports

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

func TestConnectClients(t *testing.T) {
	over(t, ecosystem.Speech(), func(t *testing.T, s ecosystem.Server, client *http.Client) {
		for name, options := range map[string][]connect.ClientOption{
			"connect": nil, "JSON": {connect.WithProtoJSON()}, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
			"compressed": {connect.WithSendGzip()},
		} {
			if name == "gRPC" && !s.HTTP2 {
				continue // it is a protocol over HTTP/2
			}
			t.Run(name, func(t *testing.T) { ecosystem.ConnectSpeech(t, client, s.URL, s.HTTP2, options...) })
		}
	})
}
