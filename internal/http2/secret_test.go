package http2

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTablesHoldNoSecrets checks which fields of both roles the decoder of the peer must not add to a table.
func TestTablesHoldNoSecrets(t *testing.T) {
	secret := func(fields []Field) (names []string) {
		for _, f := range fields {
			if f.Sensitive {
				names = append(names, f.Name+" "+f.Value)
			}
		}
		return names
	}
	long := strings.Repeat("x", 20)
	got := make(chan []string, 1)
	c, _ := connect(t, nil, nil, func(x *exchange) {
		got <- secret(x.request.Fields)
		fields := []Field{{Name: ":status", Value: "204"}, {Name: "set-cookie", Value: "a=1"}, {Name: "set-cookie", Value: long}}
		_ = x.Out.Respond(context.Background(), fields, nil, true, nil)
	})
	head, _ := ask(t, c, request("GET", "/", "authorization", long, "proxy-authorization", long, "cookie", "a=1", "x", "y"))
	require.Equal(t, []string{"authorization " + long, "proxy-authorization " + long, "cookie a=1"}, <-got)
	require.Equal(t, []string{"set-cookie a=1"}, secret(head.Fields))
}
