// Package pipeline provides stages that turn one Source into another, and [Connect], which sends a Source to a Sink.
//
//	lines := codec.Decode(conn.In, codec.Lines)
//	orders := pipeline.MapErr(lines, parseOrder)                    // no goroutine yet
//	priced := pipeline.MapConcurrent(ctx, orders, 8, lookUpPrice)   // eight at a time, in order
//	return pipeline.Connect(ctx, pipeline.Batch(priced, 100, time.Second), database)
//
// # Families
//
// Fused stages have no goroutine. They run inside the Recv at the end of the pipeline and cost a few nanoseconds each:
// [Map], [MapErr], [Filter], [FilterMap], [Tap], [Compact]; [Take], [TakeWhile], [Drop], [DropWhile]; [Scan];
// [FlatMap], [Flatten], [Transform]; [Concat], [ConcatAll], [Zip], [PartitionBy]; [Batch], [BatchBy], [ReadyChunks];
// [Named].
//
// Timed stages are also fused. They limit how long the receiver waits, so time advances for them only during a
// receive; a late receiver gets everything that is due. They are Batch with a delay, [Window], [Rollup], [Throttle],
// [Periodically], [Timeout] and [Retry].
//
// Stages with goroutines are the only ones with a ctx parameter, which comes first. The end of that ctx ends the stage
// for good and closes its upstream: [Buffer], [BufferBy], [Merge], [Tee], [MapConcurrent], [MapUnordered]. Values cross
// to another goroutine in batches under load, and one at a time without delay otherwise. Such a stage holds values that
// its receiver has not asked for yet. Close drops them. After the end of ctx, those that are ready are still received
// and the others are dropped. Values that must be closed, such as connections, are returned to their source instead:
// see Undelivered in [chanio.SourceHooks].
//
// Consumers receive all values and block meanwhile: [Connect], [ConnectWith], [ConnectVia], [ForEach],
// [ForEachConcurrent], [Reduce], [Collect].
//
// A [Queue] with a [Policy] decides what happens when a receiver is slower than its sender. [BufferWith], [TeeWith] and
// the subscriptions of package bus take one. [Tree], [Dot] and a [Graph] draw running pipelines.
//
// Every stage passes on whether values are at hand, so that a consumer knows when it would have to wait; see
// SourceHooks.TryNext and AtHand in package chanio.
//
// # Guarantees
//
//   - End: all accepted values come before the end, through all stages. A failure of any stage reaches the end of the
//     pipeline unchanged. A stage that ends early closes its upstream at once. A function that returns io.EOF ends its
//     stream cleanly. The end of a ctx, whatever its cause, is never the end of a stream.
//   - Cancel: a fused stage keeps the values it has taken when the receiver's ctx ends, and the next Recv continues
//     from there.
//   - Close: closing a Source closes everything above it at once, idle or not.
//   - Bounds: every queue has its size in its signature, or DefaultQueue. Exceptions are [Collect] and Rollup, where the
//     user decides what is kept.
//   - One consumer: a stage owns its upstream from construction. Use Tee to have several receivers.
//   - Values that must be closed are either received or passed to the Undelivered hook of the Source that they came
//     from. A stage with several sources, such as Merge, passes them to the source of the value that it yielded last,
//     so those sources should have equal hooks.
//   - Goroutines end with their ctx, with the end of the stream, or with its Close, whichever comes first.
//   - Panics: in a fused stage a panic propagates to the receiver and ends the stream; in a goroutine of a stage it
//     becomes the stage's failure, a [*chanio.PanicError].
//
// docs/guarantees.md lists them with numbers. Values keep the order of the upstream, except between the sources of
// Merge and in MapUnordered.
package pipeline
