package main

import (
	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/suite"
)

// http2Groups compares HTTP/2 servers without TLS.
func http2Groups(f *suite.Field) []suite.Group {
	hello := load.Spec{Size: 1, Conns: 16, Window: 100}
	large := load.Spec{Size: 1 << 20, Conns: 16, Window: 1, Post: true}
	file := load.Spec{Size: 1, Conns: 16, Window: 1}
	return []suite.Group{{
		Name: "http2", Title: "HTTP/2, a reply of 13 B, 16 connections of 100 streams each", Unit: "replies/s",
		Contenders: echoes(f, hello, "net/http h2 hello", "weir h2 hello", "weir h2 native"),
		Bars: []suite.Bar{
			suite.AtLeast(1.7, "weir h2 hello", "net/http h2 hello"),
			suite.Aside("weir h2 native", "net/http h2 hello"),
		},
	}, {
		Name: "http2-upload", Title: "HTTP/2, a request body of 1 MiB, 16 connections of 1 stream each", Unit: "requests/s",
		Rounds: 3, NotQuick: true,
		Contenders: echoes(f, large, "net/http h2 upload", "weir h2 upload"),
		Bars:       []suite.Bar{suite.Aside("weir h2 upload", "net/http h2 upload")},
	}, {
		Name: "http2-file", Title: "HTTP/2, a file of 1 MiB, 16 connections of 1 stream each", Unit: "replies/s",
		Rounds: 3, NotQuick: true,
		Contenders: echoes(f, file, "net/http h2 file", "weir h2 file"),
		Bars:       []suite.Bar{suite.Aside("weir h2 file", "net/http h2 file")},
	}}
}
