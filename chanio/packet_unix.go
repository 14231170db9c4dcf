package chanio

// UnixPacket is a Unix domain datagram with the name of its peer: the sender of a received one, the receiver of one to
// send. It differs from [Packet] because such a name is not an IP address.
type UnixPacket struct {
	// Addr is the peer's name: the path that it is bound to or, on Linux, its abstract name, which starts with "@". In
	// a received packet, an empty Addr means that the peer has no name and cannot be answered. In a packet to send on a
	// connected socket, it means the connected peer. A relative path is relative to the working directory of the
	// process that bound it.
	Addr string

	Data []byte // the payload, owned by its receiver
}

// UnixPacketConn is a Unix datagram socket as a typed stream, made by servers.ListenUnixgram and clients.DialUnixgram.
// In yields received datagrams, and Out sends each [UnixPacket] to its Addr. It is like a [PacketConn], except where
// the kernel offers more:
//
// Datagrams are not lost and stay in order. When Send returns nil, the datagram is in the receiver's queue, so nothing
// is queued in the process, Flush returns at once, and each datagram takes one system call. While the receiver's queue
// is full (net.unix.max_dgram_qlen datagrams on Linux, 10 by default), Send waits, and other senders wait behind it.
// This is back-pressure: one receiver that stops reading blocks a socket that sends to many. TrySend does not wait. On
// Linux the kernel signals when the peer of a connected socket has room; otherwise Send retries after a pause that
// grows from 100 µs to 20 ms.
//
// The error of a Send concerns only its own datagram. Send rejects a datagram larger than the socket's write buffer,
// about 208 KiB on Linux, with an error that matches syscall.EMSGSIZE and states the limit; one to an address that
// no socket is bound to, with syscall.ECONNREFUSED or fs.ErrNotExist; and one whose receiver has closed In, with
// syscall.EPIPE. Nothing has been sent then, and the stream continues. (A rejected value from a channel of Out.C closes
// Out, because no caller could receive the error.) If the peer of a connected socket was restarted, the next Send
// reconnects to it.
//
// Closing In drops datagrams that have arrived, and peers that send to the socket get an error. Out.Close returns an
// error that matches errors.ErrUnsupported, because such a socket cannot signal the end of a stream; In continues.
// Close of the UnixPacketConn returns nil. When both halves have ended, the socket is closed and its file removed,
// unless another file has replaced it.
type UnixPacketConn struct {
	Duplex[UnixPacket, UnixPacket]
	PacketSocket[string]
}
