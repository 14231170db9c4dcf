// Package datagram converts a UDP or Unix datagram socket to a pair of typed halves, for servers and clients.
//
//	uc, err := datagram.Options{}.Listen(":9000")
//	conn := datagram.New(uc, datagram.Config{})
//	err = pipeline.Connect(ctx, conn.In, conn.Out) // echo
//
// The receiving half ([inlet]) reads whatever has arrived with one system call and yields it one by one. The sending
// half ([outlet]) collects what is sent while input is at hand, or while it is corked, and writes that with one system
// call too. Below each is a transport: on Linux recvmmsg, sendmmsg and segmentation offload (UDP_SEGMENT, UDP_GRO),
// elsewhere the net package, one datagram at a time.
//
// On a Unix socket ([OpenUnix]) Send puts the datagram into its receiver's queue, so nothing is collected: it is one
// system call, and waits while that queue is full.
//
// What bounds a wait is a [deadline.Deadline], and when to hold back is decided by a [coalesce.Rule], as in package
// stream. How each half ends is its chanio.End.
//
// # Guarantees
//
//   - Nothing is read before a Recv, a cancelled Recv has taken nothing, and a socket that waits holds no buffer.
//   - A payload belongs to its receiver, and yet there is no allocation per datagram.
//   - The queue of the sending half is bounded, and a sender waits for room in it alone.
//   - A UDP datagram that is lost ends nothing: it is counted, and is an error of the next Flush.
package datagram
