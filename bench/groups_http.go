package main

import (
	"fmt"

	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/suite"
	"github.com/weir-go/weir/bench/internal/target"
)

// httpGroup measures short replies, with some requests in flight on each connection.
func httpGroup(f *suite.Field, window int) suite.Group {
	spec := load.Spec{Size: 1, Conns: 64, Window: window}
	g := suite.Group{
		Name: "http1", Title: "HTTP/1.1, a reply of 13 B, 64 connections, 1 request in flight on each", Unit: "replies/s",
		Note:       "gnet's row does not parse requests: it only looks for the ends of heads and sends the same answer to each.",
		Contenders: echoes(f, spec, "net/http hello", "fasthttp hello", "weir hello", "weir native"),
		Bars: []suite.Bar{
			suite.AtLeast(1.2, "weir hello", "net/http hello"),
			suite.AtLeast(0.95, "weir hello", "fasthttp hello"),
			suite.AtLeast(1, "weir native", "fasthttp hello"),
		},
	}
	g.Contenders = append(g.Contenders, eventLoops(f, spec, "gnet hello", "hertz hello")...)
	if window > 1 {
		g.Name = "http1-pipelined"
		g.Title = fmt.Sprintf("HTTP/1.1, a reply of 13 B, 64 connections, %d requests pipelined on each", window)
		g.Bars = []suite.Bar{
			suite.AtLeast(4, "weir hello", "net/http hello"),
			suite.Aside("weir hello", "fasthttp hello"),
			suite.AtLeast(0.9, "weir native", "fasthttp hello"),
		}
	}
	return g
}

// httpStreamGroup measures a reply of many small pieces.
func httpStreamGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: target.StreamLines, Conns: 1, Window: 1}
	g := suite.Group{
		Name: "http-stream", Title: fmt.Sprintf("HTTP/1.1, a reply streamed in %d lines of 5 B", target.StreamLines), Unit: "lines/s",
		Rounds: 3, NotQuick: true,
		Note: "Each line is flushed explicitly, or comes from a Source that always has the next one at hand.",
		Bars: []suite.Bar{
			suite.AtLeast(3, "weir stream Source", "net/http stream"),
			suite.Aside("weir stream Source", "net/http stream unflushed"),
		},
	}
	for _, name := range []string{
		"net/http stream", "net/http stream unflushed", "fasthttp stream", "weir stream", "weir stream Source", "net/http stream Source",
	} {
		g.Contenders = append(g.Contenders, f.Download(name, isOurs(name), spec))
	}
	return g
}

func httpUploadGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 1 << 20, Conns: 16, Window: 1, Post: true}
	return suite.Group{
		Name: "http-upload", Title: "HTTP/1.1, a request body of 1 MiB, 16 connections", Unit: "requests/s",
		Rounds: 3, NotQuick: true,
		Note:       "fasthttp passes the body as a whole, the others as a stream that the handler reads.",
		Contenders: echoes(f, spec, "net/http upload", "fasthttp upload", "weir upload"),
		Bars:       []suite.Bar{suite.AtLeast(1, "weir upload", "net/http upload")},
	}
}

func httpFileGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 1, Conns: 16, Window: 1}
	return suite.Group{
		Name: "http-file", Title: "HTTP/1.1, a file of 1 MiB, 16 connections", Unit: "replies/s",
		Rounds: 3, NotQuick: true,
		Contenders: echoes(f, spec, "net/http file", "fasthttp file", "weir file ServeContent", "weir file"),
		Bars: []suite.Bar{
			suite.AtLeast(1, "weir file", "net/http file"),
			suite.Aside("weir file ServeContent", "net/http file"),
		},
	}
}

func httpTLSGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 1, Conns: 64, Window: 1}
	return suite.Group{
		Name: "http-tls", Title: "HTTP/1.1 over TLS 1.3, a reply of 13 B, 64 connections, 1 request in flight on each", Unit: "replies/s",
		Rounds: 3, NotQuick: true,
		Contenders: echoes(f, spec, "net/http tls", "fasthttp tls", "weir http tls", "weir over crypto/tls"),
		Bars:       []suite.Bar{suite.AtLeast(1.1, "weir http tls", "net/http tls"), suite.Aside("weir over crypto/tls", "net/http tls")},
	}
}
