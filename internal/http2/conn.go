package http2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/line"
)

// defaultWindow is the window of a connection and its streams until it is changed, RFC 9113 6.9.2.
const defaultWindow = 65535

// Server accepts the requests of a connection.
type Server interface {
	// Accept is called for each request, in the goroutine that reads the connection. It must not block. r is valid
	// until Accept returns. The Handler then runs in its own goroutine. A nil Handler refuses the stream.
	Accept(s *Stream, r *Request) Handler
}

// Handler serves one request.
type Handler interface {
	// Serve serves the request. When it returns, a response that is not complete is ended by a RST_STREAM, and so is a
	// body that is still arriving.
	Serve()

	// Gone is called, while Serve runs, when the stream has been reset or the connection is lost. It must not block.
	Gone(why *StreamError)
}

// Conn is one connection. Its methods may be called by any goroutine at any time, except Serve and Run, which are
// called once.
//
// It holds the table of its streams, under one lock, and opens and ends them. Its sender gathers output,
// its receiver reads, its acceptor opens the streams of a client, and peer is what the other side has announced.
type Conn struct {
	nc     *chanio.Conn
	cfg    Config
	client bool

	send   sender
	recv   receiver
	accept acceptor

	workers sync.WaitGroup // handlers

	mu      sync.Mutex // guards all that follows, and the fields of the parts that say so
	streams map[uint32]*Stream
	line    line.Line // of those who wait to open one
	past    past
	moved   chan struct{} // closed when something changes; made on demand
	err     error         // why the connection has failed or ended
	over    bool          // Serve or Run is about to return
	running int           // handlers
	zombies int           // handlers whose streams were reset
	lastIn  uint32        // the highest stream that the peer has opened
	nextOut uint32        // the next stream that a client opens
	busy    time.Time     // when the connection last had a stream
	asked   time.Time     // when a client opened a stream since it last heard from the server; zero if it did not
	resets  bucket
	noise   bucket
	peer    peer

	leaving   leaving
	said      chan struct{} // closed when no more streams are opened; made on demand
	pings     pings
	finalStep *time.Timer // of the shutdown
}

// peer is what the other side has announced.
type peer struct {
	settled   bool // its SETTINGS have arrived
	acked     bool // it has acknowledged the SETTINGS of this side
	maxOpen   int
	window0   int64 // initial window of streams
	connect   bool  // extended CONNECT
	aware     bool  // it knows RFC 9218
	goAway    *ConnError
	goAwayMax uint32
}

// leaving is how far a shutdown has got.
type leaving uint8

const (
	staying  leaving = iota
	asked            // GOAWAY that names no stream has been sent
	leftover         // GOAWAY with the last stream has been sent
)

// NewServer returns the server's side of a connection over nc. src is the bytes of nc.In, which the caller has claimed;
// they start with the client's preface.
func NewServer(nc *chanio.Conn, src chanio.ByteSource, server Server, cfg *Config) *Conn {
	c := newConn(nc, src, cfg, false)
	c.accept.server = server
	c.appendSettingsLocked()
	return c
}

// NewClient returns the client's side of a connection over nc, and claims nc.In. The preface is queued, so streams may
// be opened at once. The caller must call Run.
func NewClient(nc *chanio.Conn, cfg *Config) *Conn {
	c := newConn(nc, chanio.BytesOf(nc.In), cfg, true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send.out = append(c.send.outLocked(), frames.ClientPreface...)
	c.appendSettingsLocked()
	return c
}

func newConn(nc *chanio.Conn, src chanio.ByteSource, cfg *Config, client bool) *Conn {
	c := &Conn{nc: nc, cfg: cfg.complete(client), client: client, streams: map[uint32]*Stream{}, nextOut: 1, busy: time.Now()}
	c.send.init(c)
	c.recv.init(c, src)
	c.accept.c = c
	c.resets = newBucket(c.cfg.ResetBurst, c.cfg.ResetRate)
	c.noise = newBucket(c.cfg.NoiseBurst, c.cfg.NoiseRate)
	c.peer.maxOpen, c.peer.window0 = 100, defaultWindow
	return c
}

// Serve serves the requests of a client until the connection ends and all handlers have returned. It returns nil after
// a graceful end, otherwise the cause. The caller must close nc. The end of ctx aborts the connection.
func (c *Conn) Serve(ctx context.Context) error { return c.run(ctx) }

// Run reads a client's connection until it ends. It returns nil after a graceful end. The caller must close nc. The end
// of ctx aborts the connection.
func (c *Conn) Run(ctx context.Context) error { return c.run(ctx) }

func (c *Conn) run(ctx context.Context) error {
	c.recv.ctx = ctx
	c.recv.input.until = deadline.In(c.cfg.PrefaceTimeout)
	stop := context.AfterFunc(ctx, func() { c.fail(chanio.Cause(ctx)) })
	c.send.push()
	err := c.recv.read()
	stop()
	err = c.finish(err)
	c.workers.Wait()
	c.awaitWritten()
	return err
}

// finish ends the connection after reading it has ended with err.
func (c *Conn) finish(err error) error {
	c.mu.Lock()
	if c.err != nil {
		err = c.err
	}
	var broken *ConnError
	switch {
	case errors.Is(err, errOver), errors.Is(err, errIdle):
		err = nil
		c.sayGoodbyeLocked(NoError, "")
	case errors.As(err, &broken) && !broken.Remote:
		c.sayGoodbyeLocked(broken.Code, broken.Reason)
	case c.send.lost != nil && !errors.As(err, &broken):
		err = c.behindLocked(c.send.lost)
	case err == io.EOF && len(c.streams) == 0:
		err = nil
	case err == io.EOF:
		err = c.behindLocked(io.ErrUnexpectedEOF)
	case c.client && c.err == nil && !errors.As(err, &broken): // a read has failed
		err = c.behindLocked(err)
	}
	c.over = true
	if c.finalStep != nil {
		c.finalStep.Stop()
	}
	cause := err
	if cause == nil {
		cause = errOver
	}
	gone := c.endLocked(cause)
	c.mu.Unlock()
	tell(gone)
	return err
}

// behindLocked adds to err, of the transport, why the peer said that it would leave.
func (c *Conn) behindLocked(err error) error {
	if why := c.peer.goAway; why != nil && why.Code != NoError {
		return fmt.Errorf("%w behind %w", err, why)
	}
	return err
}

// awaitWritten waits until no goroutine writes. A peer that takes nothing for the linger bound is cut off.
func (c *Conn) awaitWritten() {
	limit, cancel := context.WithTimeout(context.Background(), chanio.DefaultLinger)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.send.writing {
		if c.waitLocked(limit) != nil {
			c.mu.Unlock()
			c.fail(os.ErrDeadlineExceeded)
			limit = context.Background()
			c.mu.Lock()
		}
	}
}

// sayGoodbyeLocked sends the last GOAWAY, unless an equivalent one has been sent.
func (c *Conn) sayGoodbyeLocked(code Code, reason string) {
	if code == NoError && c.leaving == leftover {
		return
	}
	c.leaving = leftover
	c.send.out = appendGoAway(c.send.outLocked(), c.lastIn, code, reason)
	c.send.pushLocked()
}

// failWrites records that a write has failed. A client still reads what the server said before it left: responses, and
// a GOAWAY that names the requests on which it did not act. The linger bound limits that.
func (c *Conn) failWrites(cause error) {
	c.mu.Lock()
	if !c.client || c.err != nil || errors.Is(cause, os.ErrDeadlineExceeded) {
		c.mu.Unlock()
		c.fail(cause)
		return
	}
	c.send.broken, c.send.lost = true, cause
	c.leaving = leftover
	c.finalStep = time.AfterFunc(chanio.DefaultLinger, func() { c.fail(cause) })
	c.sayLeavingLocked()
	c.changeLocked()
	c.endIfOverAndUnlock()
}

// fail ends the connection from any goroutine but its reader, which returns soon after.
func (c *Conn) fail(cause error) {
	c.mu.Lock()
	c.send.broken = true
	gone := c.endLocked(cause)
	c.mu.Unlock()
	tell(gone)
	c.nc.Abort(cause)
}

// endLocked ends all streams with cause. It returns them, so that their handlers can be notified.
func (c *Conn) endLocked(cause error) (gone []*Stream) {
	if c.err == nil {
		c.err = cause
	}
	code, remote := InternalError, true
	var broken *ConnError
	if errors.As(cause, &broken) {
		code, remote = broken.Code, broken.Remote
	} else if why := c.peer.goAway; why != nil && !c.client && why.Code != NoError { // the client has reported why it leaves
		code, cause = why.Code, errors.Join(why, cause)
	}
	for _, s := range c.streams {
		c.dropLocked(s, finished)
		s.endLocked(&StreamError{Code: code, Remote: remote, cause: cause})
		gone = append(gone, s)
	}
	c.sayLeavingLocked()
	c.pings.failLocked()
	c.changeLocked()
	return gone
}

// tell notifies the handlers of streams that have ended.
func tell(gone []*Stream) {
	for _, s := range gone {
		s.tellHandler()
	}
}

// Abort ends the connection and its streams at once.
func (c *Conn) Abort(cause error) {
	if cause == nil {
		cause = errOver
	}
	c.fail(cause)
}

// Err returns why the connection takes no new streams, nil while it does.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closedLocked()
}

func (c *Conn) closedLocked() error {
	switch {
	case c.err != nil:
		return c.err
	case c.peer.goAway != nil:
		return c.peer.goAway
	case c.leaving != staying:
		return errLeaving
	case c.nextOut > 1<<31-1:
		return errExhausted
	}
	return nil
}

// Done returns a channel that is closed when the connection takes no new streams.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.said == nil {
		c.said = make(chan struct{})
		if c.closedLocked() != nil {
			close(c.said)
		}
	}
	return c.said
}

// sayLeavingLocked closes the channel of Done. It is called whenever the result of closedLocked may have changed.
func (c *Conn) sayLeavingLocked() {
	if c.said == nil {
		return
	}
	select {
	case <-c.said:
	default:
		close(c.said)
	}
}

// Changed returns a channel that is closed when anything changes for the connection as a whole, such as the results of
// Free and Err. It may be closed for other reasons.
func (c *Conn) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newsLocked()
}

// newsLocked is Changed with the lock held.
func (c *Conn) newsLocked() <-chan struct{} {
	if c.moved == nil {
		c.moved = make(chan struct{})
	}
	return c.moved
}

func (c *Conn) changeLocked() {
	if c.moved != nil {
		close(c.moved)
		c.moved = nil
	}
}

// waitLocked waits, unlocked, until anything changes for the connection, or ctx ends.
func (c *Conn) waitLocked(ctx context.Context) error {
	news := c.newsLocked()
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}

// checkOverLocked ends the reader of a connection that is leaving when no stream is left.
func (c *Conn) checkOverLocked() (over bool) {
	leaves := c.leaving == leftover || c.client && (c.peer.goAway != nil || c.leaving != staying)
	return leaves && len(c.streams) == 0 && c.running == 0 && !c.over
}

// InFlight returns how many streams are open.
func (c *Conn) InFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams)
}
