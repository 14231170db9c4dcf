package future_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-go/weir/chanio/future"
)

func ExampleFuture() {
	var answer future.Future[int]
	go answer.Complete(42)
	fmt.Println(answer.Await(context.Background()))
	fmt.Println(answer.Complete(43))
	// Output:
	// 42 <nil>
	// false
}

func ExampleGo() {
	ctx := context.Background()
	slow := future.Go(ctx, func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", context.Cause(ctx)
	})
	slow.Fail(errors.New("wanted no more")) // ends the ctx of the work
	fmt.Println(slow.Err())
	// Output: wanted no more
}

func ExampleFuture_C() {
	var answer future.Future[int]
	answer.Complete(42)
	select {
	case n, ok := <-answer.C():
		fmt.Println(n, ok, answer.Err())
	case <-time.After(time.Minute):
	}
	// Output: 42 true <nil>
}

func ExampleThen() {
	var length future.Future[float64]
	text := future.Then(&length, func(m float64) (string, error) { return fmt.Sprintf("%.1f km", m/1000), nil })
	length.Complete(1500)
	fmt.Println(text.Await(context.Background()))
	// Output: 1.5 km <nil>
}

func ExampleAll() {
	ctx := context.Background()
	square := func(n int) *future.Future[int] {
		return future.Go(ctx, func(context.Context) (int, error) { return n * n, nil })
	}
	fmt.Println(future.All(square(1), square(2), square(3)).Await(ctx))
	// Output: [1 4 9] <nil>
}

func ExampleAny() {
	var first, second future.Future[string]
	any := future.Any(&first, &second)
	first.Fail(errors.New("no route"))
	second.Complete("connected")
	fmt.Println(any.Await(context.Background()))
	// Output: connected <nil>
}

func ExampleFuture_WithTimeout() {
	var never future.Future[int]
	_, err := never.WithTimeout(time.Millisecond).Await(context.Background())
	fmt.Println(err, errors.Is(err, os.ErrDeadlineExceeded))
	// Output: future: no value within 1ms: i/o timeout true
}
