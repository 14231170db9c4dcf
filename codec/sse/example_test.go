package sse_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/sse"
)

func ExampleDecode() {
	body := chanio.FromReader(strings.NewReader(": hello\nid: 1\ndata: first\ndata: event\n\nevent: bye\ndata\n\n"))
	for e := range sse.Decode(body, nil).All(context.Background()) {
		fmt.Printf("%s %q %q\n", e.ID, e.Type, e.Data)
	}
	// Output:
	// 1 "" "first\nevent"
	// 1 "bye" ""
}

func ExampleEvents() {
	p, err := codec.Marshal(sse.Events(0), sse.Event{ID: "7", Data: "hello\nworld"})
	fmt.Print(string(p), err)
	// Output:
	// id: 7
	// data: hello
	// data: world
	//
	// <nil>
}

func ExampleTopic() {
	ctx := context.Background()
	topic := sse.NewTopic(&sse.TopicConfig{Epoch: "e"})
	_, _ = topic.Publish(ctx, sse.Event{Data: "missed"})
	events := topic.Subscribe("e-0")
	_, _ = topic.Publish(ctx, sse.Event{Data: "live"})
	_ = topic.Close()
	for e := range events.All(ctx) {
		fmt.Println(e.ID, e.Data)
	}
	// Output:
	// e-1 missed
	// e-2 live
}
