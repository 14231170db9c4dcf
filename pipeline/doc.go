// Package pipeline joins streams: stages that turn one Source into another, Connect, which leads a Source into a Sink,
// and a bus.
//
//	lines := codec.Decode(conn.In, codec.Lines)
//	orders := pipeline.MapErr(lines, parseOrder)                    // no goroutine yet
//	priced := pipeline.MapConcurrent(ctx, orders, 8, lookUpPrice)   // eight at a time, in order
//	return pipeline.Connect(ctx, pipeline.Batch(priced, 100, time.Second), database)
//
// # Families
//
// Fused stages have no goroutine. They run inside the Recv at the end of the pipeline, at a few nanoseconds each:
// [Map], [MapErr], [Filter], [FilterMap], [Tap], [Compact]; [Take], [TakeWhile], [Drop], [DropWhile]; [Scan];
// [FlatMap], [Flatten], [Transform]; [Concat], [ConcatAll], [Zip], [PartitionBy]; [Batch], [BatchBy], [ReadyChunks];
// [Named].
//
// Timed stages are fused too. They bound the wait of the receiver by a moment, so their time advances while somebody
// receives, and a late receiver gets everything that is due: [Batch] with a delay, [Window], [Rollup], [Throttle],
// [Periodically], [Timeout], [Retry].
//
// Stages with goroutines take a ctx first, and no other stage does. The end of that ctx ends the stage for good and
// closes its upstream: [Buffer], [BufferBy], [Merge], [Tee], [MapConcurrent], [MapUnordered]. Values cross to another
// goroutine many at a time under load, and singly and at once when they are few. Such a stage has taken values that its
// receiver has not asked for yet: a Close drops them; after the end of ctx those that are ready still come, and the
// others are dropped. A value that somebody has to close, such as a connection, is given back instead: see Undelivered
// in chanio.SourceHooks.
//
// Consumers take the values to their end and block meanwhile: [Connect], [ConnectWith], [ConnectVia], [ForEach],
// [ForEachConcurrent], [Reduce], [Collect].
//
// A [Queue] with a [Policy] is where a slow receiver meets a fast sender: in [BufferWith], [TeeWith] and the
// subscriptions of package bus. [Tree], [Dot] and a [Graph] draw what is running.
//
// Every stage passes on readiness, so that a consumer knows when nothing more is at hand; see SourceHooks.TryNext and
// AtHand in chanio.
//
// # Guarantees
//
//   - End: what was accepted comes before the end, through all stages; a failure of any stage reaches the end of the
//     pipeline unchanged. A stage that ends early closes its upstream at once. A function that returns io.EOF ends its
//     stream cleanly. The end of a ctx, whatever its cause, is never the end of a stream.
//   - Cancel: a fused stage whose receiver's ctx ends keeps what it has taken; the next Recv goes on from there.
//   - Close: closing a Source closes everything above it at once, idle or not.
//   - Bounds: every queue has its size in its signature, or DefaultQueue. [Collect] and [Rollup], whose user decides what
//     is kept, are the exceptions.
//   - One consumer: a stage owns its upstream from construction. [Tee] is how several receive the same.
//   - Values that must be closed are received, or go back to the Source that they came from, with its Undelivered hook.
//     Behind a stage with several sources, such as [Merge], that is the one of the value that was passed on last: let the
//     hooks of such sources do the same.
//   - Goroutines end with their ctx, with the end of the stream, or with its Close, whichever is first.
//   - Panics: in a fused stage they go on to the receiver and end the stream; in a goroutine of a stage they are its
//     failure, a *chanio.PanicError.
//
// docs/guarantees.md has them with numbers. Order is that of the upstream, except for [Merge] between its sources and
// [MapUnordered].
package pipeline
