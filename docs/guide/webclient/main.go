// A client for the server in docs/guide/web.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
)

func main() {
	client := newClient()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, show := range []func(context.Context, *httpc.Client, string) error{showPrices, shout, showTicks} {
		if err := show(ctx, client, "localhost:8080"); err != nil {
			log.Fatal(err)
		}
	}
}

func newClient() *httpc.Client {
	return httpc.New(&httpc.Config{
		Connect:     clients.Config{Timeout: 5 * time.Second}, // looking up the name, connecting, TLS
		HeadTimeout: 5 * time.Second,                          // from the request to the head of the response
		BodyTimeout: 30 * time.Second,                         // between two reads of the body
		Retry:       &httpc.RetryPolicy{Tries: 5},             // after network errors, 429, 502, 503, 504
	})
}

// Price is the current price of something.
type Price struct{ Cents int }

func showPrices(ctx context.Context, client *httpc.Client, host string) error {
	resp, err := client.Get(ctx, "http://"+host+"/prices")
	if err != nil {
		return err
	}
	defer resp.Close()
	if !resp.OK() {
		return fmt.Errorf("status %d", resp.Status)
	}
	prices := codec.Decode(resp.Body, codec.JSONLines[Price]())
	return pipeline.ForEach(ctx, prices, func(p Price) error {
		_, err := fmt.Println(p.Cents)
		return err
	})
}

func shout(ctx context.Context, client *httpc.Client, host string) error {
	conn, err := client.DialWebSocket(ctx, "ws://"+host+"/upper", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	texts := websocket.Texts(conn)
	if err := texts.Out.Send(ctx, "hello"); err != nil {
		return err
	}
	text, err := texts.In.Recv(ctx)
	fmt.Println(text)
	return err
}

func showTicks(ctx context.Context, client *httpc.Client, host string) error {
	events, err := client.Events(ctx, "http://"+host+"/ticks", nil) // reconnects by itself
	if err != nil {
		return err
	}
	return pipeline.ForEach(ctx, pipeline.Take(events, 3), func(e sse.Event) error {
		_, err := fmt.Println(e.Type, e.Data)
		return err
	})
}
