package http2

import (
	"io"
	"time"

	"github.com/weir-go/weir/chanio"
)

// ends hold the ends of the halves of a Conn made of a stream.
type ends struct{ in, out chanio.End }

// Conn returns the stream as a connection, after the response to a CONNECT, plain or extended. END_STREAM is its
// half-close, and Abort sends RST_STREAM with CANCEL. Call it before anything is read or sent otherwise. Conn sets the
// functions and Released of info.
func (s *Stream) Conn(info *chanio.ConnInfo) *chanio.Conn {
	e := new(ends)
	e.in.Released = s.Done()
	e.out.Released = e.in.Released
	e.out.Progress = s.Out.Progress
	s.c.mu.Lock()
	s.In.ends, s.Out.shared = e, e
	why := s.err
	s.c.mu.Unlock()
	s.setEnds(why)
	in := chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next: s.In.Next, TryNext: s.In.TryNext, Close: s.In.Close, Bytes: &s.In, End: &e.in,
	})
	out := chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send: s.Out.Send, TrySend: s.Out.TrySend, Flush: s.Out.Flush, Close: s.Out.Close,
		Abort: func(cause error) { s.Reset(Cancel, cause) },
		Cork:  s.c.nc.Out.Cork, Bytes: &s.Out, End: &e.out,
	})
	var all chanio.ConnInfo
	if info != nil {
		all = *info
	}
	all.SetReadDeadline, all.SetWriteDeadline = setter(s.In.SetDeadline), setter(s.Out.SetDeadline)
	all.EndIn, all.Released = s.In.endIn, e.in.Released
	return chanio.ConnOf(in, out, &all)
}

// setEnd records that the half has ended with err.
func (r *Reader) setEnd(err error) {
	if r.ends == nil {
		return
	}
	if err == io.EOF {
		err = nil
	}
	r.ends.in.Set(err)
}

// setEnds records that the stream was reset.
func (s *Stream) setEnds(why *StreamError) {
	s.c.mu.Lock()
	e := s.In.ends
	waits := len(s.In.chunks) > 0 || s.recvEnd
	s.c.mu.Unlock()
	if e == nil || why == nil {
		return
	}
	e.out.Set(why)
	if !waits {
		e.in.Set(why)
	}
}

// setter adapts a method to a function of ConnInfo.
func setter(set func(time.Time)) func(time.Time) error {
	return func(t time.Time) error {
		set(t)
		return nil
	}
}
