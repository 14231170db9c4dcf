package chanio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-go/weir/chanio"
)

func ExampleFuture() {
	var answer chanio.Future[int]
	go answer.Complete(42)
	fmt.Println(answer.Await(context.Background()))
	fmt.Println(answer.Complete(43))
	// Output:
	// 42 <nil>
	// false
}

func ExampleGo() {
	ctx := context.Background()
	slow := chanio.Go(ctx, func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", context.Cause(ctx)
	})
	slow.Fail(errors.New("wanted no more")) // ends the ctx of the work
	fmt.Println(slow.Err())
	// Output: wanted no more
}

func ExampleFuture_C() {
	var answer chanio.Future[int]
	answer.Complete(42)
	select {
	case n, ok := <-answer.C():
		fmt.Println(n, ok, answer.Err())
	case <-time.After(time.Minute):
	}
	// Output: 42 true <nil>
}

func ExampleThen() {
	var length chanio.Future[float64]
	text := chanio.Then(&length, func(m float64) (string, error) { return fmt.Sprintf("%.1f km", m/1000), nil })
	length.Complete(1500)
	fmt.Println(text.Await(context.Background()))
	// Output: 1.5 km <nil>
}

func ExampleZip() {
	ctx := context.Background()
	square := func(n int) *chanio.Future[int] {
		return chanio.Go(ctx, func(context.Context) (int, error) { return n * n, nil })
	}
	fmt.Println(chanio.Zip(square(1), square(2), square(3)).Await(ctx))
	// Output: [1 4 9] <nil>
}

func ExampleAny() {
	var first, second chanio.Future[string]
	any := chanio.Any(&first, &second)
	first.Fail(errors.New("no route"))
	second.Complete("connected")
	fmt.Println(any.Await(context.Background()))
	// Output: connected <nil>
}

func ExampleFuture_WithTimeout() {
	var never chanio.Future[int]
	_, err := never.WithTimeout(time.Millisecond).Await(context.Background())
	fmt.Println(err, errors.Is(err, os.ErrDeadlineExceeded))
	// Output: chanio: no value within 1ms true
}
