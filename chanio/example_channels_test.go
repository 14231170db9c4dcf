package chanio_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

func ExampleFrom() {
	ticker := time.NewTicker(time.Millisecond)
	ticks := chanio.From(ticker.C, ticker.Stop)
	defer ticks.Close()

	_, err := ticks.Recv(context.Background())
	fmt.Println("tick", err)
	// Output: tick <nil>
}

func ExampleTo() {
	ctx := context.Background()
	words := make(chan string, 2)
	sink := chanio.To(words)
	sink.Send(ctx, "over")
	sink.Send(ctx, "and out")
	sink.Close()

	for word := range words {
		fmt.Println(word)
	}
	// Output:
	// over
	// and out
}

func ExampleFromSlice() {
	ctx := context.Background()
	src, sink := chanio.PipeOf[int](4)
	fmt.Println(pipeline.Connect(ctx, chanio.FromSlice([]int{1, 2, 3}), sink))
	for n := range src.All(ctx) {
		fmt.Println(n)
	}
	// Output:
	// <nil>
	// 1
	// 2
	// 3
}

func ExampleFromSeq() {
	ages := map[string]int{"Ada": 36, "Alan": 41}
	names := chanio.FromSeq(slices.Values(slices.Sorted(maps.Keys(ages))))
	defer names.Close()
	for name := range names.All(context.Background()) {
		fmt.Println(name, ages[name])
	}
	// Output:
	// Ada 36
	// Alan 41
}

func ExamplePipeOf() {
	ctx := context.Background()
	src, sink := chanio.PipeOf[int](1)
	go func() {
		for n := range 3 {
			sink.Send(ctx, n) // waits for the receiver
		}
		sink.Close()
	}()
	for {
		n, err := src.Recv(ctx)
		if err == io.EOF {
			break
		}
		fmt.Println(n)
	}
	// Output:
	// 0
	// 1
	// 2
}

func ExampleRace() {
	err := chanio.Race(context.Background(),
		func(ctx context.Context) error {
			return fmt.Errorf("fast")
		},
		func(ctx context.Context) error {
			<-ctx.Done() // the other has returned
			return fmt.Errorf("slow")
		},
	)
	fmt.Println(err)
	// Output: fast
}
