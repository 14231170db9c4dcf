package target

import (
	"net"
)

// chanSize is the capacity of the two channels, the same as that of In.C and Out.C.
const chanSize = 16

func channelTargets() []Target {
	return []Target{
		{Name: "two channels", Codec: "u32", Start: func() (Running, error) { return serve(twoChannels(chanSize)) }},
		{Name: "two bare channels", Codec: "u32", Start: func() (Running, error) { return serve(twoChannels(0)) }},
	}
}

// twoChannels returns a connection as two channels of the given capacity, in the usual way: one goroutine reads frames
// into the first channel, another writes those of the second and flushes when it is empty, and the handler is between
// them. Bare channels, as in most code, have no capacity.
func twoChannels(size int) func(net.Conn) {
	return func(conn net.Conn) { byChannels(conn, size) }
}

func byChannels(conn net.Conn, size int) {
	f := newFrames(conn)
	in, out := make(chan []byte, size), make(chan []byte, size)
	done, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(in)
		for {
			p, err := f.read()
			if err != nil {
				return
			}
			select {
			case in <- p:
			case <-done:
				return
			}
		}
	}()
	go func() {
		defer close(written)
		defer close(done)
		defer f.w.Flush()
		for {
			p, ok := f.await(out)
			if !ok || f.write(p) != nil {
				return
			}
		}
	}()
	for p := range in {
		select {
		case out <- p:
		case <-done:
		}
	}
	close(out)
	<-written
}

// await returns the next frame to write. If there is none yet, it flushes first. It returns false after the last one.
func (f *frames) await(out <-chan []byte) ([]byte, bool) {
	select {
	case p, ok := <-out:
		return p, ok
	default:
	}
	if f.w.Flush() != nil {
		return nil, false
	}
	p, ok := <-out
	return p, ok
}
