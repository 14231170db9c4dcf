package chanio

// UnixPacket is a datagram of a Unix domain socket, and whom it came from or goes to. It is a type of its own because a
// name of such a socket is no IP address, and a [Packet] that may hold either would have to be asked at every turn.
type UnixPacket struct {
	// Addr is the peer: the path that it is bound to, or, on Linux, its abstract name, which begins with "@". Of a packet
	// that was received it is empty if the peer has no name, and cannot be answered then. Of one that is sent on a
	// connected socket empty means its peer. A relative path is that of whoever bound it: it means something only to
	// those with the same working directory.
	Addr string

	Data []byte // the payload, owned by whoever received it
}

// UnixPacketConn is a Unix datagram socket as a typed stream, made by servers.ListenUnixgram and
// clients.DialUnixgram. In yields the datagrams that arrive, and Out sends each [UnixPacket] to its Addr. It is like
// a [PacketConn] apart from what the kernel does better:
//
// Datagrams are not lost and stay in order. When Send returns nil the datagram is in the receiver's queue, so nothing
// is queued here, Flush has nothing to wait for, and each datagram is one system call. While the receiver's queue is
// full (net.unix.max_dgram_qlen of them on Linux, 10 unless the system says otherwise), Send waits, and others behind
// it: that is back-pressure, and one receiver that has stopped reading stops a socket that sends to many. TrySend
// does not wait, nor does a Send whose ctx has ended. On a connected socket the kernel says when there is room, on
// Linux; the others ask again after a pause that grows from 100 µs to 20 ms.
//
// A Send tells what became of its own datagram. It refuses one that is larger than the socket's write buffer takes,
// some 208 KiB on Linux, with an error that is syscall.EMSGSIZE and has the limit in it; one to which nobody is
// bound, with syscall.ECONNREFUSED or fs.ErrNotExist; and one whose receiver has closed In, with syscall.EPIPE.
// Nothing has been sent then and nothing ends. (A value that is refused of a channel of Out.C closes Out, since
// nobody else can be told.) A connected socket whose peer was started anew is connected to it by the next Send.
//
// Closing In drops what lies in it, and whoever sends to it is told. Out.Close returns an error that is
// errors.ErrUnsupported, because there is no word for an end; In goes on. Close of the whole is no error. When both
// halves have ended the socket is closed, and its file removed unless another one has taken its place.
type UnixPacketConn struct {
	Duplex[UnixPacket, UnixPacket]
	PacketSocket[string]
}
