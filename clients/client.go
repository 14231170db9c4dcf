package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/guard"
)

// ClientConfig configures a [Client]. A nil *ClientConfig and the zero value use the defaults.
type ClientConfig[R, W any] struct {
	// Tags, if not nil, defines how requests and replies carry the numbers that match them. nil means that replies come
	// in the order of the requests (pipelining). With numbers, a lost reply (see CallerConfig.Lost) ends the connection
	// if nothing has arrived since its request was sent, because the peer may have vanished.
	Tags *CallerTags[R, W]

	// Caller configures how requests share a connection. Its Lost defaults to Timeout.
	Caller CallerConfig[R]

	// Timeout limits a whole call, including connecting. 0 means 30 s; negative means no limit except ctx.
	Timeout time.Duration

	// Reconnect configures how connections are reopened. A connection that has delivered a reply counts as useful,
	// unless Useful is set.
	Reconnect ReconnectConfig

	// Hello, if not nil, is called with each new connection before any call uses it, for instance to log in. If it
	// fails, the connection is dropped, which counts as a failure to connect and is passed to Reconnect.Permanent.
	Hello func(ctx context.Context, d *chanio.Duplex[R, W]) error

	// HelloTimeout limits the duration of Hello: its ctx ends then. 0 means 30 s; negative means no limit.
	HelloTimeout time.Duration
}

// Client makes calls of a request/response protocol over a connection that it opens for the first call, shares among
// calls, and reopens when it has ended. It combines [Reconnect] and [Caller]. [Client.Call] is safe for concurrent use.
//
// A Client has one goroutine, which ends with Close.
type Client[R, W any] struct {
	cfg    ClientConfig[R, W]
	in     codec.Codec[R]
	out    codec.Codec[W]
	conns  *Reconnector
	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	wanted chan struct{} // has a token when a call wants a connection
	exited chan struct{} // closed when the goroutine has ended

	late      error // of a call that takes too long; nil without a timeout
	lateCause error // the cause of the ctx of such a call; shown if the request was not sent

	// Owned by the goroutine.
	fresh  *chanio.Duplex[R, W] // over the connection opened last
	useful *chanio.Conn         // the last connection that delivered a reply

	mu      sync.Mutex
	caller  *Caller[R, W] // nil while there is no connection
	conn    *chanio.Conn  // of caller
	changed chan struct{} // closed when caller or err changes
	err     error         // why no more connections are opened
	down    error         // why the last connection ended or could not be opened
	refuses bool          // rejects further calls, because of a Shutdown
}

// NewClient returns a Client that opens connections with dial, decodes replies with in and encodes requests with out.
// dial must respect its ctx, and is not called before the first call. cfg may be nil. The caller must close the Client.
func NewClient[R, W any](
	dial func(ctx context.Context) (*chanio.Conn, error), in codec.Codec[R], out codec.Codec[W], cfg *ClientConfig[R, W],
) *Client[R, W] {
	if dial == nil || in == nil || out == nil {
		panic("clients: NewClient: needs a function to dial and two codecs")
	}
	cl := &Client[R, W]{
		in: in, out: out, wanted: make(chan struct{}, 1), exited: make(chan struct{}), changed: make(chan struct{}),
	}
	if cfg != nil {
		cl.cfg = *cfg
	}
	cl.cfg.Timeout = cmp.Or(cl.cfg.Timeout, 30*time.Second)
	if cl.cfg.Caller.Lost == 0 {
		cl.cfg.Caller.Lost = cl.cfg.Timeout
	}
	cl.cfg.Tags = cl.cfg.Tags.complete("NewClient")
	cl.cfg.Caller.complete(cl.cfg.Tags.max())
	cl.cfg.HelloTimeout = cmp.Or(cl.cfg.HelloTimeout, 30*time.Second)
	if cl.cfg.Reconnect.Useful == nil {
		cl.cfg.Reconnect.Useful = func(c *chanio.Conn) bool { return c == cl.useful }
	}
	if d := cl.cfg.Timeout; d > 0 {
		cl.late = fmt.Errorf("no reply within %v: %w", d, os.ErrDeadlineExceeded)
		cl.lateCause = callError(nil, fmt.Errorf("waited for %v: %w", d, os.ErrDeadlineExceeded))
	}
	cl.ctx, cl.cancel = context.WithCancelCause(context.Background())
	cl.conns = Reconnect(cl.opening(dial), &cl.cfg.Reconnect)
	go cl.run()
	return cl
}

// opening returns a function that opens a connection with dial and Hello. It runs in the Client's goroutine, so panics
// become errors. It records failures for calls that give up meanwhile.
func (cl *Client[R, W]) opening(dial func(context.Context) (*chanio.Conn, error)) func(context.Context) (*chanio.Conn, error) {
	return func(ctx context.Context) (c *chanio.Conn, err error) {
		if panicked := guard.Call(func() { c, err = notNil(dial(ctx)) }); panicked != nil {
			c, err = nil, panicked
		}
		if err == nil {
			err = cl.hello(ctx, c)
		}
		if err != nil {
			cl.mu.Lock()
			defer cl.mu.Unlock()
			cl.down = err
			return nil, err
		}
		return c, nil
	}
}

// hello frames c and calls Hello. If that fails it aborts c.
func (cl *Client[R, W]) hello(ctx context.Context, c *chanio.Conn) (err error) {
	cl.fresh = codec.FrameBoth(c, cl.in, cl.out)
	if cl.cfg.Hello == nil {
		return nil
	}
	ctx, cancel := within(ctx, cl.cfg.HelloTimeout, "clients: Hello is not over")
	defer cancel()
	if panicked := guard.Call(func() { err = deadline.Sound(cl.cfg.Hello(ctx, cl.fresh)) }); panicked != nil {
		err = panicked
	}
	if err != nil {
		c.Abort(err)
	}
	return err
}

// run is the Client's goroutine. It connects when a call needs a connection, and waits for the end of the connection.
func (cl *Client[R, W]) run() {
	defer close(cl.exited)
	var err error
	panicked := guard.Call(func() {
		for err == nil {
			select {
			case <-cl.wanted:
				err = cl.connect()
			case <-cl.ctx.Done():
				err = net.ErrClosed
			}
		}
	})
	if panicked != nil { // a function of ReconnectConfig
		err = panicked
	}
	cl.set(nil, nil, err, err)
	_ = cl.conns.Close()
}

// connect opens one connection and serves calls with it until it ends. An error means that no more connections will be
// opened.
func (cl *Client[R, W]) connect() error {
	if cl.get() != nil {
		return nil // the token is from an earlier call
	}
	c, err := cl.conns.Conns.Recv(cl.ctx)
	switch {
	case cl.ctx.Err() != nil:
		if err == nil {
			c.Abort(net.ErrClosed)
		}
		return net.ErrClosed
	case err != nil:
		return err
	}
	served := false
	defer func() {
		if !served { // newCaller panicked, because Hello kept part of the Duplex
			c.Abort(net.ErrClosed)
		}
	}()
	caller := newCaller(context.Background(), cl.fresh, cl.cfg.Tags, &cl.cfg.Caller)
	caller.quits = true // before its first call
	served = true
	cl.set(caller, c, nil, nil)
	select {
	case <-caller.Done():
	case <-cl.ctx.Done():
	}
	_ = caller.Close() // does nothing if it has failed; Err returns the failure
	cl.set(nil, nil, nil, caller.Err())
	if caller.Replies() > 0 {
		cl.useful = c
	}
	return nil
}

// set sets the state that calls read.
func (cl *Client[R, W]) set(caller *Caller[R, W], c *chanio.Conn, err, down error) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.caller, cl.conn, cl.err, cl.down = caller, c, err, down
	close(cl.changed)
	cl.changed = make(chan struct{})
}

func (cl *Client[R, W]) get() *Caller[R, W] {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.caller
}

func (cl *Client[R, W]) want() {
	select {
	case cl.wanted <- struct{}{}:
	default:
	}
}

// Call sends w and returns the reply. If there is no connection it waits for one, for as long as ctx and
// ClientConfig.Timeout permit, while failed attempts to connect are repeated.
//
// A request that was not sent because its connection ended is sent over the next one. A request that was sent is not
// repeated, because the server may have executed it; Call then returns the error of the connection, which wraps a
// [*net.OpError] with its addresses. An error that matches [ErrNotSent] means that the request was never sent.
func (cl *Client[R, W]) Call(ctx context.Context, w W) (none R, err error) {
	if cl.late != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cl.cfg.Timeout, cl.lateCause)
		defer cancel()
	}
	for {
		caller, c, err := cl.await(ctx)
		if err != nil {
			return none, err
		}
		r, err := caller.Call(ctx, w)
		switch {
		case err == nil:
			return r, nil
		case errors.Is(err, ErrNotSent):
			if ctx.Err() != nil || caller.Err() == nil {
				return none, err
			}
		// The cause is compared too, because the caller's ctx may end with the error of another call.
		case context.Cause(ctx) == cl.lateCause && errors.Is(err, cl.lateCause):
			return none, callError(c, cl.late)
		case ctx.Err() == nil:
			return none, callError(c, err)
		default:
			return none, err
		}
	}
}

// callError returns err with the addresses of c, unless it has addresses. c may be nil.
func callError(c *chanio.Conn, err error) error {
	if errors.As(err, new(*net.OpError)) {
		return err
	}
	op := &net.OpError{Op: "call", Err: err}
	if c != nil {
		op.Source, op.Addr = c.LocalAddr(), c.RemoteAddr()
	}
	if op.Addr != nil {
		op.Net = op.Addr.Network()
	}
	return fmt.Errorf("clients: %w", op)
}

// await waits for a connection and returns it.
func (cl *Client[R, W]) await(ctx context.Context) (*Caller[R, W], *chanio.Conn, error) {
	for {
		cl.mu.Lock()
		caller, c, err, changed := cl.caller, cl.conn, cl.err, cl.changed
		if cl.refuses && err == nil {
			err = net.ErrClosed
		}
		cl.mu.Unlock()
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("clients: Client: %w: %w", ErrNotSent, err)
		case caller != nil && caller.Err() == nil:
			return caller, c, nil
		case caller == nil:
			cl.want()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, cl.gaveUp(ctx)
		}
	}
}

// gaveUp returns the error of a call that waited for a connection, with the last failure to connect.
func (cl *Client[R, W]) gaveUp(ctx context.Context) error {
	cl.mu.Lock()
	down := cl.down
	cl.mu.Unlock()
	if down == nil {
		return fmt.Errorf("clients: Client: %w: not connected: %w", ErrNotSent, chanio.Cause(ctx))
	}
	return fmt.Errorf("clients: Client: %w: not connected: %w: %w", ErrNotSent, chanio.Cause(ctx), down)
}

// State returns the state of the connection.
func (cl *Client[R, W]) State() ReconnectState { return cl.conns.State() }

// Shutdown waits for the replies of the calls in progress and then acts as Close; further calls fail. If ctx ends
// first, Shutdown returns its cause, and calls in progress fail.
func (cl *Client[R, W]) Shutdown(ctx context.Context) error {
	var err error
	if caller := cl.refuse(); caller != nil {
		err = caller.Shutdown(ctx)
	}
	return errors.Join(err, cl.Close())
}

// refuse rejects further calls, including those that wait for a connection. It returns the current Caller.
func (cl *Client[R, W]) refuse() *Caller[R, W] {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.refuses = true
	close(cl.changed)
	cl.changed = make(chan struct{})
	return cl.caller
}

// Close ends the Client: calls in progress and later ones return an error that matches net.ErrClosed. It waits for the
// goroutine and is idempotent.
func (cl *Client[R, W]) Close() error {
	cl.cancel(net.ErrClosed)
	<-cl.exited
	return nil
}
