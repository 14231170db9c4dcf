package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// printAll prints what s brings and how it ends.
func printAll[T any](s *chanio.Source[T]) {
	var all []any
	for v := range s.All(context.Background()) {
		all = append(all, v)
	}
	if err := s.Err(); err != nil {
		all = append(all, err)
	}
	fmt.Println(all...)
}

func numbers(n int) *chanio.Source[int] {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return chanio.FromSlice(all)
}

// printer is a Sink that prints.
func printer[T any]() *chanio.Sink[T] {
	return chanio.NewSink(chanio.SinkHooks[T]{
		Send:  func(_ context.Context, v T) error { fmt.Println(v); return nil },
		Close: func() error { fmt.Println("closed"); return nil },
	})
}

func isOdd(v int) bool { return v%2 == 1 }

func ExampleMap() {
	printAll(pipeline.Map(chanio.FromSlice([]string{"a", "b"}), strings.ToUpper))
	// Output: A B
}

func ExampleMapErr() {
	printAll(pipeline.MapErr(chanio.FromSlice([]string{"1", "2", "three", "4"}), strconv.Atoi))
	// Output: 1 2 strconv.Atoi: parsing "three": invalid syntax
}

func ExampleFilter() {
	printAll(pipeline.Filter(numbers(6), isOdd))
	// Output: 1 3 5
}

func ExampleFilterMap() {
	printAll(pipeline.FilterMap(chanio.FromSlice([]string{"a=1", "b", "c=3"}), func(s string) (string, bool) {
		_, value, ok := strings.Cut(s, "=")
		return value, ok
	}))
	// Output: 1 3
}

func ExampleTap() {
	sum := 0
	printAll(pipeline.Tap(numbers(3), func(v int) { sum += v }))
	fmt.Println("sum", sum)
	// Output:
	// 1 2 3
	// sum 6
}

func ExampleCompact() {
	printAll(pipeline.Compact(chanio.FromSlice([]int{1, 1, 2, 2, 2, 1})))
	// Output: 1 2 1
}

func ExampleCompactFunc() {
	printAll(pipeline.CompactFunc(chanio.FromSlice([]string{"go", "GO", "stop", "Stop"}), strings.EqualFold))
	// Output: go stop
}

func ExampleTake() {
	printAll(pipeline.Take(numbers(100), 3))
	// Output: 1 2 3
}

func ExampleTakeWhile() {
	printAll(pipeline.TakeWhile(numbers(100), func(v int) bool { return v*v < 20 }))
	// Output: 1 2 3 4
}

func ExampleDrop() {
	printAll(pipeline.Drop(numbers(5), 3))
	// Output: 4 5
}

func ExampleDropWhile() {
	header := func(line string) bool { return strings.HasPrefix(line, "#") }
	printAll(pipeline.DropWhile(chanio.FromSlice([]string{"# one", "# two", "a", "# b"}), header))
	// Output: a # b
}

func ExampleScan() {
	printAll(pipeline.Scan(numbers(4), 0, func(sum, v int) int { return sum + v }))
	// Output: 0 1 3 6 10
}

func ExampleReduce() {
	longest, err := pipeline.Reduce(context.Background(), chanio.FromSlice([]string{"a", "ccc", "bb"}), "",
		func(longest, s string) string {
			if len(s) > len(longest) {
				return s
			}
			return longest
		})
	fmt.Println(longest, err)
	// Output: ccc <nil>
}

func ExampleCollect() {
	all, err := pipeline.Collect(context.Background(), pipeline.Take(numbers(100), 3))
	fmt.Println(all, err)
	// Output: [1 2 3] <nil>
}

func ExampleForEach() {
	err := pipeline.ForEach(context.Background(), numbers(5), func(v int) error {
		if v == 3 {
			return errors.New("three is too many")
		}
		fmt.Println(v)
		return nil
	})
	fmt.Println(err)
	// Output:
	// 1
	// 2
	// three is too many
}

func ExampleFlatMap() {
	printAll(pipeline.FlatMap(chanio.FromSlice([]string{"a b", "", "c"}), strings.Fields))
	// Output: a b c
}

func ExampleFlatten() {
	printAll(pipeline.Flatten(chanio.FromSlice([][]int{{1, 2}, nil, {3}})))
	// Output: 1 2 3
}

// A paragraph ends with an empty line.
func ExampleTransform() {
	lines := chanio.FromSlice([]string{"one", "two", "", "three"})
	var paragraph []string
	flush := func(emit func(string)) {
		if len(paragraph) > 0 {
			emit(strings.Join(paragraph, "+"))
			paragraph = nil
		}
	}
	printAll(pipeline.Transform(lines, func(line string, emit func(string)) error {
		if line == "" {
			flush(emit)
			return nil
		}
		paragraph = append(paragraph, line)
		return nil
	}, flush))
	// Output: one+two three
}

func ExampleBatch() {
	printAll(pipeline.Batch(numbers(5), 2, time.Minute))
	// Output: [1 2] [3 4] [5]
}

func ExampleBatchBy() {
	length := func(s string) int { return len(s) }
	printAll(pipeline.BatchBy(chanio.FromSlice([]string{"ab", "cd", "efghij", "k"}), length, 4, time.Minute))
	// Output: [ab cd] [efghij] [k]
}

func ExampleConcat() {
	printAll(pipeline.Concat(numbers(2), numbers(3)))
	// Output: 1 2 1 2 3
}

func ExampleConcatAll() {
	pages := pipeline.Map(numbers(3), func(page int) *chanio.Source[string] {
		return chanio.FromSlice([]string{fmt.Sprint(page, "a"), fmt.Sprint(page, "b")})
	})
	printAll(pipeline.ConcatAll(pages))
	// Output: 1a 1b 2a 2b 3a 3b
}

func ExampleZip() {
	names := chanio.FromSlice([]string{"a", "b"})
	printAll(pipeline.Zip(names, numbers(9), func(name string, v int) string { return name + strconv.Itoa(v) }))
	// Output: a1 b2
}

func ExamplePartitionBy() {
	ctx := context.Background()
	runs := pipeline.PartitionBy(chanio.FromSlice([]int{1, 3, 2, 4, 5}), isOdd)
	for run := range runs.All(ctx) {
		fmt.Println(pipeline.Collect(ctx, run))
	}
	// Output:
	// [1 3] <nil>
	// [2 4] <nil>
	// [5] <nil>
}

func ExampleWindow() {
	src := chanio.FromSlice([]string{"GET", "PUT"}) // and it ends, which a socket does not
	windows := pipeline.Window(src, time.Minute, 1000)
	for w := range windows.All(context.Background()) {
		fmt.Println(w.Value)
	}
	// Output: [GET PUT]
}

func ExampleRollup() {
	src := chanio.FromSlice([]string{"GET", "PUT", "GET"})
	counts := pipeline.Rollup(src, time.Minute, func() map[string]int { return map[string]int{} },
		func(counts map[string]int, verb string) map[string]int { counts[verb]++; return counts })
	for w := range counts.All(context.Background()) {
		fmt.Println(w.Value)
	}
	// Output: map[GET:2 PUT:1]
}

func ExampleThrottle() {
	start := time.Now()
	printAll(pipeline.Throttle(numbers(4), time.Millisecond, 2)) // two at once, then one per millisecond
	fmt.Println(time.Since(start) >= 2*time.Millisecond)
	// Output:
	// 1 2 3 4
	// true
}

func ExamplePeriodically() {
	ticks := pipeline.Periodically(time.Millisecond, func(at time.Time) bool {
		return at.Truncate(time.Millisecond).Equal(at)
	})
	printAll(pipeline.Take(ticks, 3))
	// Output: true true true
}

func ExampleTimeout() {
	idle, _ := chanio.Pipe()
	printAll(pipeline.Timeout(idle.In, time.Millisecond))
	// Output: pipeline: no value for 1ms
}

func ExampleRetry() {
	calls := 0
	open := func(context.Context) (*chanio.Source[int], error) {
		if calls++; calls == 1 {
			return nil, errors.New("refused")
		}
		return numbers(3), nil
	}
	printAll(pipeline.Retry(open, &pipeline.RetryConfig{
		Min:     time.Millisecond,
		OnRetry: func(err error, _ time.Duration) { fmt.Println(err) },
	}))
	// Output:
	// refused
	// 1 2 3
}

func ExampleBuffer() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	printAll(pipeline.Buffer(ctx, numbers(4), 2, pipeline.Block)) // numbers runs up to two ahead
	// Output: 1 2 3 4
}

func ExampleBufferBy() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	chunks := chanio.FromSlice([][]byte{[]byte("one"), []byte("two")})
	size := func(b []byte) int { return len(b) }
	buffered := pipeline.BufferBy(ctx, chunks, size, 1<<20, pipeline.Block) // up to a mebibyte ahead
	printAll(pipeline.Map(buffered, func(b []byte) string { return string(b) }))
	// Output: one two
}

// A receiver that comes late is told what it missed.
func ExampleBufferWith() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src := pipeline.Map(numbers(10), strconv.Itoa)
	done := src.Done()
	recent := pipeline.BufferWith(ctx, src, &pipeline.Queue[string]{
		Size:   3,
		Policy: pipeline.DropOldest,
		Mark:   func(lost uint64) string { return fmt.Sprintf("(%d lost)", lost) },
	})
	<-done
	printAll(recent)
	// Output: (7 lost) 8 9 10
}

func ExamplePolicy_String() {
	fmt.Println(pipeline.DropOldest)
	// Output: DropOldest
}

func ExampleMerge() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	merged := pipeline.Merge(ctx, numbers(10), numbers(20))
	sum, err := pipeline.Reduce(ctx, merged, 0, func(sum, v int) int { return sum + v })
	fmt.Println(sum, err)
	// Output: 265 <nil>
}

func ExampleMergeWith() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	bad := pipeline.MapErr(chanio.FromSlice([]string{"x"}), strconv.Atoi)
	printAll(pipeline.MergeWith(ctx, []*chanio.Source[int]{bad, numbers(3)}, &pipeline.MergeConfig{KeepGoing: true}))
	// Output: 1 2 3 strconv.Atoi: parsing "x": invalid syntax
}

func ExampleTee() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	branches := pipeline.Tee(ctx, numbers(3), 2)
	printAll(branches[0])
	printAll(branches[1])
	// Output:
	// 1 2 3
	// 1 2 3
}

// An archive that gets everything, and a display that wants the present state only.
func ExampleTeeWith() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	branches := pipeline.TeeWith(ctx, numbers(5), nil, &pipeline.Queue[int]{Policy: pipeline.Latest})
	printAll(branches[0])
	printAll(branches[1])
	// Output:
	// 1 2 3 4 5
	// 5
}

func ExampleMapConcurrent() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	printAll(pipeline.MapConcurrent(ctx, numbers(5), 3, func(_ context.Context, v int) (int, error) {
		return v * v, nil // a lookup, for example
	}))
	// Output: 1 4 9 16 25
}

func ExampleMapUnordered() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	release := make(chan struct{})
	s := pipeline.MapUnordered(ctx, numbers(2), 2, func(_ context.Context, v int) (int, error) {
		if v == 1 {
			<-release // a slow one
		}
		return v, nil
	})
	fmt.Println(s.Recv(ctx))
	close(release)
	fmt.Println(s.Recv(ctx))
	// Output:
	// 2 <nil>
	// 1 <nil>
}

func ExampleForEachConcurrent() {
	err := pipeline.ForEachConcurrent(context.Background(), numbers(9), 3, func(_ context.Context, v int) error {
		if v == 5 {
			return errors.New("not five")
		}
		return nil
	})
	fmt.Println(err)
	// Output: not five
}

func ExampleConnect() {
	fmt.Println(pipeline.Connect(context.Background(), numbers(2), printer[int]()))
	// Output:
	// 1
	// 2
	// closed
	// <nil>
}

func ExampleConnectWith() {
	ctx, dst := context.Background(), printer[int]()
	fmt.Println(pipeline.ConnectWith(ctx, numbers(1), dst, &pipeline.ConnectConfig{KeepSink: true}))
	fmt.Println(pipeline.Connect(ctx, numbers(1), dst))
	// Output:
	// 1
	// <nil>
	// 1
	// closed
	// <nil>
}

func ExampleReadyChunks() {
	ctx := context.Background()
	chunks := pipeline.ReadyChunks(numbers(7), 3) // whatever is at hand, without a wait for more
	for chunk := range chunks.All(ctx) {
		fmt.Print(chunk)
	}
	fmt.Println()
	// Output: [1 2 3][4 5 6][7]
}

func ExampleSplice() {
	questions, ask := chanio.PipeOf[string](1)
	answers, answer := chanio.PipeOf[int](1)
	client := pipeline.Splice(ask, answers)
	server := pipeline.Splice(answer, questions)

	ctx := context.Background()
	_ = client.Out.Send(ctx, "how many?")
	question, _ := server.In.Recv(ctx)
	_ = server.Out.Send(ctx, 42)
	n, _ := client.In.Recv(ctx)
	fmt.Println(question, n)
	// Output: how many? 42
}

func ExampleConnectVia() {
	ctx := context.Background()
	err := pipeline.ConnectVia(ctx, chanio.FromSlice([]string{"say hi", "quit", "say no"}), printer[string](),
		func(ctx context.Context, line string, dst *chanio.Sink[string]) error {
			if line == "quit" {
				return io.EOF
			}
			return dst.Send(ctx, strings.TrimPrefix(line, "say "))
		})
	fmt.Println(err)
	// Output:
	// hi
	// closed
	// <nil>
}

func ExampleNamed() {
	s := pipeline.Named(numbers(3), "numbers")
	printAll(s)
	d := s.Describe()
	fmt.Println(d.Name, d.Passed)
	// Output:
	// 1 2 3
	// numbers 3
}

func ExampleTree() {
	s := pipeline.Named(pipeline.Filter(pipeline.Named(numbers(6), "all"), isOdd), "odd")
	printAll(s)
	fmt.Print(pipeline.Tree(s.Describe()))
	// Output:
	// 1 3 5
	// pipeline.Named "odd", 3 passed, ended
	// └─ pipeline.Filter, ended
	//    └─ pipeline.Named "all", 6 passed, ended
	//       └─ chanio.FromSlice, ended
}

func ExampleDot() {
	s := pipeline.Filter(numbers(6), isOdd)
	fmt.Println(strings.Count(pipeline.Dot(s.Describe()), "->"), "edge") // the text is for dot -Tsvg
	// Output: 1 edge
}

func ExampleGraph() {
	var g pipeline.Graph
	src := pipeline.Tap(numbers(1), func(int) { fmt.Print(g.String()) }) // looks at what it is part of
	_ = pipeline.ConnectWith(context.Background(), src, printer[int](), &pipeline.ConnectConfig{
		Graph: &g, Description: "example",
	})
	// Output:
	// sink
	// └─ pipeline.Connect "example"
	//    └─ pipeline.Tap
	//       └─ chanio.FromSlice
	// 1
	// closed
}
