// Package coder adapts connections of github.com/coder/websocket to typed streams, with the messages and, as far as that
// library allows, the guarantees of package codec/websocket. It is for programs that already use that library.
//
//	conn := coder.Duplex(c)                     // c *websocket.Conn of github.com/coder/websocket
//	err := pipeline.Connect(ctx, conn.In, conn.Out)
//
// # Limits
//
// These differences from a Conn of package codec/websocket are due to the library:
//
//   - If the ctx of a Recv ends, a goroutine continues the read, and the next Recv returns its message, because the library
//     ends a connection whose Read is cancelled. The goroutine ends with the next message or with the connection.
//   - Send returns when the message has been written. If its ctx ends during the write, the connection ends.
//   - Received text is not checked to be UTF-8.
//   - There is no coalescing, and nothing is at hand: TryRecv returns no message.
//   - When the peer closes, Out ends at once, because the library answers the Close frame within its Read. Replies to
//     earlier messages then fail with net.ErrClosed.
//   - Closing Out closes the connection, because the library cannot send a Close frame and continue to read.
package coder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"unicode/utf8"

	ws "github.com/coder/websocket"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// Duplex returns c as a stream of messages, and owns c from then on. In ends with io.EOF when the peer has closed with
// 1000, 1001 or without a code, and with a *websocket.CloseError of package codec/websocket otherwise. Out.Close sends
// 1000. Out.Abort sends the code of its cause if that is a *websocket.CloseError, and otherwise sends none. The size of a
// message is limited by c.SetReadLimit, 32 KiB by default.
func Duplex(c *ws.Conn) *chanio.Duplex[websocket.Message, websocket.Message] {
	d := &duplex{c: c, released: make(chan struct{}), closed: make(chan struct{}), writing: make(chan struct{}, 1)}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return &chanio.Duplex[websocket.Message, websocket.Message]{
		In: chanio.NewSource(chanio.SourceHooks[websocket.Message]{
			Next: d.next, Close: d.closeIn,
			Describe: func() chanio.Description { return chanio.Description{Kind: "coder.Duplex"} },
		}),
		Out: chanio.NewSink(chanio.SinkHooks[websocket.Message]{
			Send: d.send, Close: d.closeOut, Abort: d.abort, End: &d.out,
			Describe: func() chanio.Description { return chanio.Description{Kind: "coder.Duplex"} },
		}),
		Released: d.released,
	}
}

type duplex struct {
	c        *ws.Conn
	ctx      context.Context // of reads
	cancel   context.CancelFunc
	out      chanio.End
	once     sync.Once
	released chan struct{}
	closed   chan struct{} // closed when In is closed
	writing  chan struct{} // full while a message is written

	mu       sync.Mutex
	read     chan result // of the read whose result nobody has taken, or nil
	busy     bool        // a goroutine reads
	failed   bool        // its last read has failed
	dropping bool        // In is closed: it reads on, and drops messages
}

type result struct {
	m   websocket.Message
	err error
}

// next waits for a message. The read is its own goroutine, so that ctx does not end the connection.
func (d *duplex) next(ctx context.Context) (websocket.Message, error) {
	read := d.reading()
	select {
	case got := <-read:
		return d.got(got)
	case <-ctx.Done():
		return websocket.Message{}, chanio.Cause(ctx)
	case <-d.closed:
		return websocket.Message{}, net.ErrClosed
	case <-d.ctx.Done():
		return websocket.Message{}, net.ErrClosed
	}
}

// reading returns the read that goes on. It starts one if there is none.
func (d *duplex) reading() <-chan result {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.read == nil {
		d.startLocked()
	}
	return d.read
}

// startLocked starts a read, unless there is one or the last has failed.
func (d *duplex) startLocked() {
	if d.busy || d.failed {
		return
	}
	d.busy, d.read = true, make(chan result, 1)
	go d.readOn(d.read) // ends with the connection at the latest
}

// readOn reads one message, or all once In is closed.
func (d *duplex) readOn(read chan<- result) {
	for {
		kind, p, err := d.c.Read(d.ctx)
		d.mu.Lock()
		dropping := d.dropping
		d.failed = err != nil
		d.busy = dropping && !d.failed
		if !dropping {
			read <- result{websocket.Message{Kind: websocket.Kind(kind), Data: p}, err}
		}
		d.mu.Unlock()
		switch {
		case !dropping:
			return
		case err != nil:
			_ = d.ended(err) // Out has it
			return
		}
	}
}

// got returns the result of the read, which is over.
func (d *duplex) got(r result) (websocket.Message, error) {
	d.mu.Lock()
	d.read = nil
	d.mu.Unlock()
	if r.err != nil {
		return websocket.Message{}, d.ended(r.err)
	}
	return r.m, nil
}

// ended makes the end of a read that of a stream. Whatever it is, the connection is over.
func (d *duplex) ended(err error) error {
	defer d.release()
	var closed ws.CloseError
	switch {
	case d.ctx.Err() != nil:
		return net.ErrClosed
	case errors.Is(err, ws.ErrMessageTooBig):
		err = &websocket.CloseError{Code: websocket.TooBig, Local: true, Err: errors.Join(websocket.ErrTooLarge, err)}
		d.out.Set(err)
		return err
	case !errors.As(err, &closed):
		err = &websocket.CloseError{Code: websocket.Abnormal, Err: notEOF(err)}
		d.out.Set(err)
		return err
	}
	switch closed.Code {
	case ws.StatusNormalClosure, ws.StatusGoingAway, ws.StatusNoStatusRcvd:
		d.out.Set(nil)
		return io.EOF
	}
	err = &websocket.CloseError{Code: websocket.Code(closed.Code), Reason: closed.Reason}
	d.out.Set(err)
	return err
}

// notEOF returns err, as io.ErrUnexpectedEOF if it is io.EOF: the stream was cut off.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.Join(io.ErrUnexpectedEOF, errors.New(err.Error()))
	}
	return err
}

func (d *duplex) send(ctx context.Context, m websocket.Message) error {
	switch {
	case m.Kind != websocket.TextMessage && m.Kind != websocket.BinaryMessage:
		return fmt.Errorf("%w: %v", websocket.ErrMessage, m.Kind)
	case m.Kind == websocket.TextMessage && !utf8.Valid(m.Data):
		return fmt.Errorf("%w: text is not UTF-8", websocket.ErrMessage)
	case ctx.Err() != nil:
		return chanio.Cause(ctx)
	}
	select {
	case d.writing <- struct{}{}:
	case <-ctx.Done():
		return chanio.Cause(ctx)
	case <-d.ctx.Done():
		return d.refusal()
	}
	defer func() { <-d.writing }()
	if err := d.c.Write(ctx, ws.MessageType(m.Kind), m.Data); err != nil {
		if ctx.Err() != nil {
			err = &websocket.CloseError{Code: websocket.Abnormal, Local: true, Err: errors.New("a write was cancelled")}
		}
		d.out.Set(err)
		d.release()
		return err
	}
	return nil
}

// refusal returns the error of a send after the end.
func (d *duplex) refusal() error {
	if err := d.out.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

// closeIn drops what still comes. A Recv may still wait for it.
func (d *duplex) closeIn() error {
	if !d.out.Open() {
		d.cancel()
		return nil
	}
	var got result
	d.mu.Lock()
	d.dropping = true
	select {
	case got = <-d.read:
	default:
	}
	d.startLocked()
	d.mu.Unlock()
	close(d.closed)
	if got.err != nil {
		_ = d.ended(got.err) // Out has it
	}
	return nil
}

// closeOut closes the connection with 1000.
func (d *duplex) closeOut() error {
	err := d.c.Close(ws.StatusNormalClosure, "")
	d.release()
	var closed ws.CloseError
	if errors.As(err, &closed) || errors.Is(err, net.ErrClosed) {
		return nil // the peer was first
	}
	return err
}

// abort does not wait.
func (d *duplex) abort(cause error) {
	var end *websocket.CloseError
	if !errors.As(cause, &end) || !end.Sendable() {
		d.release()
		return
	}
	go func() { // the library waits at most 5 s each for the write and the answer
		_ = d.c.Close(ws.StatusCode(end.Code), end.Reason)
		d.release()
	}()
}

// release ends what still reads, and lets Close return.
func (d *duplex) release() {
	d.once.Do(func() {
		_ = d.c.CloseNow()
		d.cancel()
		close(d.released)
	})
}
