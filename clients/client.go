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
	"github.com/weir-go/weir/internal/guard"
)

// ClientConfig says how a [Client] behaves. The zero value, and nil, mean the defaults.
type ClientConfig[R, W any] struct {
	// Tags, if not nil, says how requests and replies carry the numbers that match them. nil means that replies come in
	// the order of the requests (pipelining).
	Tags *CallerTags[R, W]

	// Caller is how the requests share a connection. Its Lost is by default as long as Timeout.
	Caller CallerConfig[R]

	// Timeout is how long a call may take in all, connecting included. 0 means 30 s, negative no limit but ctx's.
	Timeout time.Duration

	// Reconnect is how connections are made again. A connection that has brought a reply was useful, unless its Useful says
	// otherwise.
	Reconnect ReconnectConfig

	// Hello, if not nil, is called with each new connection before any call has it: to log in, for instance. If it fails
	// the connection is dropped, which counts as a failure to connect, about which Reconnect.Permanent is asked too.
	Hello func(ctx context.Context, d *chanio.Duplex[R, W]) error

	// HelloTimeout is how long Hello may take before its ctx ends. 0 means 30 s, negative no limit.
	HelloTimeout time.Duration
}

// Client makes calls of a request/response protocol over a connection that it makes when there is a call, shares among
// calls, and makes again when it has ended. It is [Reconnect] and [Caller] in one. [Client.Call] is for any goroutine.
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
	exited chan struct{} // closed when the goroutine has

	// Owned by the goroutine.
	fresh  *chanio.Duplex[R, W] // over the connection that was opened last
	useful *chanio.Conn         // the latest that has brought a reply

	mu      sync.Mutex
	caller  *Caller[R, W] // nil while there is no connection
	changed chan struct{} // closed when caller or err changes
	err     error         // why there will be no more connections
	down    error         // why the last connection ended or could not be made
	refuses bool          // further calls, because of a Shutdown
}

// NewClient returns a Client whose connections dial makes, which heeds its ctx; replies are decoded by in and requests
// encoded by out. Nothing is dialled before the first call. cfg may be nil. The caller closes the Client.
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
	cl.ctx, cl.cancel = context.WithCancelCause(context.Background())
	cl.conns = Reconnect(cl.opening(dial), &cl.cfg.Reconnect)
	go cl.run()
	return cl
}

// opening returns what opens a connection: dial and Hello, whose panics are errors, for it is called in the goroutine of the
// Client. A failure is noted, for calls that give up meanwhile.
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

// hello makes c a conversation, and aborts it if that fails.
func (cl *Client[R, W]) hello(ctx context.Context, c *chanio.Conn) (err error) {
	cl.fresh = codec.FrameBoth(c, cl.in, cl.out)
	if cl.cfg.Hello == nil {
		return nil
	}
	if d := cl.cfg.HelloTimeout; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, fmt.Errorf("clients: Hello is not over within %v: %w", d, os.ErrDeadlineExceeded))
		defer cancel()
	}
	if panicked := guard.Call(func() { err = cl.cfg.Hello(ctx, cl.fresh) }); panicked != nil {
		err = panicked
	}
	if err != nil {
		c.Abort(err)
	}
	return err
}

// run is the goroutine: it connects when somebody wants that, and waits for the end of the connection.
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
	cl.set(nil, err, err)
	_ = cl.conns.Close()
}

// connect makes one connection and serves calls with it until it ends. An error means that there will be no more.
func (cl *Client[R, W]) connect() error {
	if cl.get() != nil {
		return nil // the token is from before
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
		if !served { // Hello has kept what it was lent
			c.Abort(net.ErrClosed)
		}
	}()
	caller := newCaller(context.Background(), cl.fresh, cl.cfg.Tags, &cl.cfg.Caller)
	served = true
	cl.set(caller, nil, nil)
	select {
	case <-caller.Done():
	case <-cl.ctx.Done():
	}
	_ = caller.Close() // does nothing if it has failed, which Err tells
	cl.set(nil, nil, caller.Err())
	if caller.Replies() > 0 {
		cl.useful = c
	}
	return nil
}

// set changes what calls are told.
func (cl *Client[R, W]) set(caller *Caller[R, W], err, down error) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.caller, cl.err, cl.down = caller, err, down
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

// Call sends w and returns the reply. It connects if there is no connection, and waits as long as ctx and
// ClientConfig.Timeout permit, while connecting fails and is tried again.
//
// A request that was not sent because its connection ended is sent over the next one. One that was sent is not, for it may
// have been carried out: its error is then that of the connection. An error that is [ErrNotSent] says that the request
// never was sent.
func (cl *Client[R, W]) Call(ctx context.Context, w W) (none R, err error) {
	if d := cl.cfg.Timeout; d > 0 {
		late := fmt.Errorf("clients: no reply within %v: %w", d, os.ErrDeadlineExceeded)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, late)
		defer cancel()
	}
	for {
		caller, err := cl.await(ctx)
		if err != nil {
			return none, err
		}
		r, err := caller.Call(ctx, w)
		if err == nil || !errors.Is(err, ErrNotSent) || ctx.Err() != nil || caller.Err() == nil {
			return r, err
		}
	}
}

// await returns the connection, once there is one.
func (cl *Client[R, W]) await(ctx context.Context) (*Caller[R, W], error) {
	for {
		cl.mu.Lock()
		caller, err, changed := cl.caller, cl.err, cl.changed
		if cl.refuses && err == nil {
			err = net.ErrClosed
		}
		cl.mu.Unlock()
		switch {
		case err != nil:
			return nil, fmt.Errorf("clients: Client: %w: %w", ErrNotSent, err)
		case caller != nil && caller.Err() == nil:
			return caller, nil
		case caller == nil:
			cl.want()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, cl.gaveUp(ctx)
		}
	}
}

// gaveUp is the error of a call that waited for a connection, with why there is none.
func (cl *Client[R, W]) gaveUp(ctx context.Context) error {
	cl.mu.Lock()
	down := cl.down
	cl.mu.Unlock()
	if down == nil {
		return fmt.Errorf("clients: Client: %w: not connected: %w", ErrNotSent, chanio.Cause(ctx))
	}
	return fmt.Errorf("clients: Client: %w: not connected: %w: %w", ErrNotSent, chanio.Cause(ctx), down)
}

// State returns how the connection stands.
func (cl *Client[R, W]) State() ReconnectState { return cl.conns.State() }

// Shutdown waits until the calls under way have their replies, and then does what Close does; further calls fail. If ctx
// ends first Shutdown returns its cause, and calls still under way fail.
func (cl *Client[R, W]) Shutdown(ctx context.Context) error {
	var err error
	if caller := cl.refuse(); caller != nil {
		err = caller.Shutdown(ctx)
	}
	return errors.Join(err, cl.Close())
}

// refuse has further calls refused, those that wait for a connection included. It returns the one there is.
func (cl *Client[R, W]) refuse() *Caller[R, W] {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.refuses = true
	close(cl.changed)
	cl.changed = make(chan struct{})
	return cl.caller
}

// Close ends the Client: calls under way and later ones return an error that is net.ErrClosed. It waits for the goroutine,
// and is idempotent.
func (cl *Client[R, W]) Close() error {
	cl.cancel(net.ErrClosed)
	<-cl.exited
	return nil
}
