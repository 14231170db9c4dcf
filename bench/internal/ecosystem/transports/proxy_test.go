package transports

import (
	"testing"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

func TestReverseProxyOverHttpc(t *testing.T) {
	for _, front := range ecosystem.Ways {
		for _, back := range ecosystem.Ways {
			t.Run(front.Name+" to "+back.Name, func(t *testing.T) {
				lines := make(chan string)
				backend := ecosystem.ServeStandard(t, back, ecosystem.Backend(lines))
				proxy := ecosystem.ServeStandard(t, front, ecosystem.Proxy(t, backend, backend.Ours(t, nil)))
				ecosystem.ThroughProxy(t, proxy, lines, !front.HTTP2 && !back.HTTP2)
			})
		}
	}
}
