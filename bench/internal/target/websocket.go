package target

import "github.com/weir-go/weir/bench/internal/websockets"

// socketTargets are WebSocket servers: ours behind our own HTTP server, the others behind net/http.
func socketTargets() (all []Target) {
	for _, s := range websockets.Servers() {
		start := func() (Running, error) { return runHTTP(false, newStandard(s.Handler())) }
		if s.Ours {
			start = func() (Running, error) { return runHTTP(false, newWeir(s.Handler())) }
		}
		all = append(all, Target{
			Name: s.Name, Codec: "ws", Scheme: "ws", Path: "/", Deflate: s.Deflate, Room: s.Room, Start: start,
		})
	}
	return all
}
