package main

import (
	"context"
	"log"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func main() {
	ln, err := servers.ListenTCP("localhost:7000", nil)
	if err != nil {
		log.Fatal(err)
	}
	log.Println(ln)
	log.Println(ln.Serve(context.Background(), serve))
}

func serve(ctx context.Context, c *chanio.Conn) error {
	lines := codec.Frame(c, codec.Lines)
	return pipeline.Connect(ctx, pipeline.Map(lines.In, strings.ToUpper), lines.Out)
}
