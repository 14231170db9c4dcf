package sockets

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
	"github.com/weir-go/weir/codec/websocket"
)

// libraries are the peers. A peer that does not support a mode uses the closest one: gorilla compresses each message
// separately.
var libraries = map[string]struct {
	dial   func(t *testing.T, s ecosystem.Server, m mode) theirs
	server func(m mode) http.Handler
}{
	"gorilla": {gorillaDial, gorillaServer},
	"coder":   {coderDial, coderServer},
	"gws":     {gwsDial, gwsServer},
}

func TestTheirClientsAndOurServer(t *testing.T) {
	for name, library := range libraries {
		for _, m := range modes {
			for _, way := range ecosystem.Ways[:2] {
				for _, ours := range []bool{false, true} {
					if name == "coder" && way.Secure {
						continue // its TLS is that of the http.Client
					}
					t.Run(fmt.Sprintf("%s/%s/%s/server closes %v", name, m, way.Name, ours), func(t *testing.T) {
						ended := make(chan websocket.Code, 1)
						s := ecosystem.Serve(t, way, ourServer(m, ended), nil)
						converse(t, library.dial(t, s, m), ours, m == plain && !way.Secure && !ours)
						if !ours {
							require.EqualValues(t, 4000, <-ended)
						}
					})
				}
			}
		}
	}
}

func TestOurClientAndTheirServers(t *testing.T) {
	for name, library := range libraries {
		for _, m := range modes {
			for _, theirs := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/server closes %v", name, m, theirs), func(t *testing.T) {
					s := ecosystem.ServeStandard(t, ecosystem.Ways[0], library.server(m))
					conversation(t, s, m, theirs)
				})
			}
		}
	}
}
