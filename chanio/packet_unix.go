package chanio

// UnixPacket is a datagram of a Unix domain socket with the name of the peer that it came from or goes to. It is a type of
// its own because the name of such a socket is not an IP address.
type UnixPacket struct {
	// Addr is the peer: the path that it is bound to, or, on Linux, its abstract name, which begins with "@". It is empty
	// in a packet from a peer without a name, which cannot be answered. In a packet that is sent on a connected socket,
	// empty means its peer. A relative path is relative to the working directory of the process that bound it.
	Addr string

	Data []byte // the payload, owned by its receiver
}

// UnixPacketConn is a Unix datagram socket as a typed stream, made by servers.ListenUnixgram and
// clients.DialUnixgram. In yields the datagrams that arrive, and Out sends each [UnixPacket] to its Addr. It is like
// a [PacketConn] apart from what the kernel does better:
//
// Datagrams are not lost and stay in order. When Send returns nil the datagram is in the receiver's queue, so nothing
// is queued here, Flush has nothing to wait for, and each datagram is one system call. While the receiver's queue is
// full (net.unix.max_dgram_qlen of them on Linux, 10 by default), Send waits, and other senders behind it. This is
// back-pressure, and one receiver that has stopped reading blocks a socket that sends to many. TrySend does not wait. On
// Linux the kernel says when a connected socket's peer has room; otherwise Send tries again after a pause that grows
// from 100 µs to 20 ms.
//
// The error of a Send is about its own datagram. Send refuses one that is larger than the socket's write buffer takes,
// some 208 KiB on Linux, with an error that is syscall.EMSGSIZE and states the limit; one to an address that nobody is
// bound to, with syscall.ECONNREFUSED or fs.ErrNotExist; and one whose receiver has closed In, with syscall.EPIPE.
// Nothing has been sent then and nothing ends. (A value from a channel of Out.C that is refused closes Out, since
// nobody else can be told.) A connected socket whose peer was started anew is connected to it by the next Send.
//
// Closing In drops what has arrived, and peers that send to it are told. Out.Close returns an error that is
// errors.ErrUnsupported, because there is no message for an end; In goes on. Close of the whole is no error. When both
// halves have ended the socket is closed, and its file removed unless another one has taken its place.
type UnixPacketConn struct {
	Duplex[UnixPacket, UnixPacket]
	PacketSocket[string]
}
