package bus_test

import (
	"context"
	"fmt"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
)

func ExampleNew() {
	ctx := context.Background()
	b := bus.New[string, string]()
	defer b.Close()
	news, _ := b.Subscribe(ctx, "news", nil)
	received, _ := b.Publish(ctx, "news", "hello")
	fmt.Println(received, b.Topics())
	fmt.Println(news.Recv(ctx))
	// Output:
	// 1 [news]
	// hello <nil>
}

func ExampleBus_Subscribe() {
	ctx := context.Background()
	b := bus.New[string, int]()
	prices, _ := b.Subscribe(ctx, "prices", &pipeline.Queue[int]{
		Size: 2, Policy: pipeline.DropOldest, Mark: func(lost uint64) int { return -int(lost) },
	})
	for price := range 5 {
		_, _ = b.Publish(ctx, "prices", price) // nobody receives yet
	}
	_ = b.Close()
	fmt.Println(pipeline.Collect(ctx, prices))
	// Output: [-3 3 4] <nil>
}

func ExampleBus_Attach() {
	ctx := context.Background()
	b := bus.New[string, string]()
	heard, member := chanio.PipeOf[string](4)
	leave, _ := b.Attach(ctx, "room", member, nil)
	received, _ := b.Publish(ctx, "room", "hello")
	leave()
	_, _ = b.Publish(ctx, "room", "anybody here?")
	_ = member.Close()
	all, _ := pipeline.Collect(ctx, heard)
	fmt.Println(received, all)
	// Output: 1 [hello]
}

func ExampleBus_Subscribers() {
	ctx := context.Background()
	b := bus.New[string, int]()
	defer b.Close()
	_, _ = b.Subscribe(ctx, "prices", &pipeline.Queue[int]{Size: 2, Name: "a slow one"})
	for price := range 5 {
		_, _ = b.Publish(ctx, "prices", price)
	}
	for _, d := range b.Subscribers("prices") {
		fmt.Print(pipeline.Tree(d))
	}
	// Output: bus "a slow one", 2 of 2 queued, 3 dropped
}

func ExampleBus_SubscribeFunc() {
	ctx := context.Background()
	b := bus.New[string, int]()
	temperatures, _ := b.SubscribeFunc(bus.Wildcard("house.*.temperature"), nil)
	for topic, v := range map[string]int{"house.kitchen.temperature": 20, "house.kitchen.light": 1} {
		_, _ = b.Publish(ctx, topic, v)
	}
	_ = b.Close()
	fmt.Println(pipeline.Collect(ctx, temperatures))
	// Output: [20] <nil>
}

func ExampleWildcard() {
	match := bus.Wildcard("room.*.>")
	fmt.Println(match("room.7.said.aloud"), match("room.7"))
	// Output: true false
}
