// Package datagram makes a pair of typed halves of a socket of datagrams, for servers and clients to hand out: of UDP,
// and of the Unix domain.
//
//	uc, err := datagram.Options{}.Listen(":9000")
//	conn := datagram.New(uc, datagram.Config{})
//	err = pipeline.Connect(ctx, conn.In, conn.Out) // echo
//
// The receiving half ([inlet]) takes whatever has arrived in one system call and yields it one by one. The sending
// half ([outlet]) collects what is sent while input is at hand, or while it is corked, and passes it on in one system
// call too. Each crosses by a transport: on Linux one of recvmmsg, sendmmsg and the kernel's cutting and joining of
// datagrams (UDP_SEGMENT, UDP_GRO), elsewhere the net package, one datagram at a time.
//
// On a Unix socket ([OpenUnix]) a datagram that was sent is in its receiver's queue, so that nothing is collected: Send
// is one system call, and waits while that queue is full.
//
// # Guarantees
//
//   - Nothing is read before somebody asks (G17), a cancelled Recv took nothing (G2), and a socket that waits holds no
//     buffer.
//   - A payload is its receiver's (G12), and yet there is no allocation per datagram.
//   - What is queued is bounded (G8), and only want of room makes a sender wait.
//   - A datagram of UDP that is lost ends nothing: it is counted, and an error of the next Flush.
package datagram
