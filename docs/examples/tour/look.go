package main

import (
	"context"
	"strings"

	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
)

// look requests the page and chats in one of its rooms, with the library's own client.
func (t *tour) look(ctx context.Context, url string) error {
	client := httpc.New(nil)
	defer client.Close()
	resp, err := client.Get(ctx, url+"/")
	if err != nil {
		return err
	}
	text, err := resp.Text(ctx)
	if err != nil {
		return err
	}
	t.say("client", "GET / is %d, and the page ends: %v", resp.Status, strings.HasSuffix(text, "</html>\n"))
	if resp, err = client.Get(ctx, url+"/numbers"); err != nil {
		return err
	}
	var digits []string
	for line := range codec.Decode(resp.Body, codec.Lines).All(ctx) {
		digits = append(digits, line)
	}
	t.say("client", "GET /numbers yields %s, one every 100 ms", strings.Join(digits, " "))
	return t.chat(ctx, client, "ws"+strings.TrimPrefix(url, "http")+"/chat")
}

// chat connects two members of a room.
func (t *tour) chat(ctx context.Context, client *httpc.Client, url string) error {
	heard := map[string]func() (string, error){}
	for _, name := range []string{"alice", "bob"} {
		conn, err := client.DialWebSocket(ctx, url, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		texts := websocket.Texts(conn)
		if _, err := texts.Out.SendAll(ctx, "lobby", name); err != nil {
			return err
		}
		heard[name] = func() (string, error) { return texts.In.Recv(ctx) }
		if text, err := heard[name](); err != nil || text != name+" is here" {
			return err
		}
		if name == "bob" {
			if err := texts.Out.Send(ctx, "hello, room"); err != nil {
				return err
			}
		}
	}
	for range 2 {
		text, err := heard["alice"]()
		if err != nil {
			return err
		}
		t.say("alice", "hears %q", text)
	}
	return nil
}
