package main

import (
	"github.com/weir-go/weir/bench/internal/httpload"
	"github.com/weir-go/weir/bench/internal/suite"
)

// httpClientGroups compares HTTP clients in this process, against servers that use little processor time.
func httpClientGroups() []suite.Group {
	return []suite.Group{
		clientGroup("httpc-hello", "HTTP/1.1 client: GET of 5 B, 64 in flight", false, "weir httpc", "net/http", "fasthttp"),
		clientGroup("httpc-h2-hello", "HTTP/2 client: GET of 5 B, 64 in flight on one connection", true, "weir httpc", "net/http"),
		downloadGroup(),
	}
}

func clientGroup(name, title string, http2 bool, clients ...string) suite.Group {
	g := suite.Group{
		Name: name, Title: title, Unit: "requests/s",
		Note: "Allocations are the client's: the server is in the same process and makes none for a request.",
		Bars: []suite.Bar{suite.AtLeast(1.3, "weir httpc", "net/http")},
	}
	for _, c := range clients {
		g.Contenders = append(g.Contenders, httpload.Contender(c, isOurs(c), http2, 5, httpload.InFlight, false))
	}
	g.Bars = append(g.Bars, suite.Bar{
		What: "allocations for a request, weir httpc / net/http", Needs: []string{"weir httpc", "net/http"}, Limit: 0.5, Most: true,
		Of: func(v func(string) suite.Sample) float64 { return v("weir httpc").Allocs / v("net/http").Allocs },
	})
	if !http2 {
		g.Bars = append(g.Bars, suite.Aside("weir httpc", "fasthttp"))
	}
	return g
}

func downloadGroup() suite.Group {
	g := suite.Group{
		Name: "httpc-download", Title: "HTTP/1.1 client: download of 64 MiB, one at a time", Unit: "MiB/s",
		Bars: []suite.Bar{suite.AtLeast(1, "weir httpc", "net/http"), suite.Aside("weir httpc", "fasthttp")},
	}
	for _, c := range []string{"weir httpc", "net/http", "fasthttp"} {
		g.Contenders = append(g.Contenders, httpload.Contender(c, isOurs(c), false, httpload.Large, 1, true))
	}
	return g
}
