package chanio

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// inlet is the receiving half of a Conn: a ByteSource over a net.Conn.
type inlet struct {
	c    *Conn
	gate gate
	raw  rawReader

	blk  *block // borrowed while bytes are at hand
	buf  []byte // blk.buf, or a larger one while a value needs that
	r, w int    // unread are buf[r:w]
	most int    // w at its highest since the block was borrowed
	err  error  // what comes after them
	end  End
	size int8 // of the next block to borrow

	// atHand publishes that bytes are at hand, so that what is sent meanwhile may wait.
	atHand atomic.Bool

	total atomic.Int64 // bytes read, ever
}

func (in *inlet) init(c *Conn, cfg *ConnConfig) {
	in.c = c
	in.gate.nc = c.nc
	in.gate.timeout = max(cfg.IdleTimeout, 0)
	in.raw.init(c)
}

// next is the stream in chunks.
func (in *inlet) next(ctx context.Context) ([]byte, error) {
	if in.r == in.w {
		if err := in.Fill(ctx, 1); err != nil {
			return nil, err
		}
	}
	chunk := in.blk.clone(in.buf[in.r:in.w])
	in.Discard(len(chunk))
	return chunk, nil
}

func (in *inlet) tryNext() ([]byte, bool, error) {
	if in.r == in.w {
		return nil, false, nil
	}
	chunk := in.blk.clone(in.buf[in.r:in.w])
	in.Discard(len(chunk))
	return chunk, true, nil
}

func (in *inlet) Buffered() []byte { return in.buf[in.r:in.w] }

func (in *inlet) Clone(p []byte) []byte { return in.blk.clone(p) }

func (in *inlet) Discard(n int) {
	in.c.out.holdAgain()
	if in.r += n; in.r == in.w {
		in.r, in.w = 0, 0
		in.atHand.Store(false)
	}
}

func (in *inlet) Fill(ctx context.Context, n int) error {
	_, err := in.read(ctx, nil, n)
	return err
}

func (in *inlet) Read(ctx context.Context, p []byte) (int, error) {
	if in.r < in.w {
		n := copy(p, in.buf[in.r:in.w])
		in.Discard(n)
		return n, nil
	}
	if len(p) == 0 {
		return 0, nil
	}
	return in.read(ctx, p, 0)
}

// read reads once, into p or, if that is nil, into the buffer, after it has let go of everything held back.
func (in *inlet) read(ctx context.Context, p []byte, want int) (int, error) {
	if in.err != nil {
		return 0, in.err
	}
	in.c.out.letGo()
	if err := in.gate.enter(ctx); err != nil {
		if n := in.readLast(p, want, err); n > 0 {
			return n, nil
		}
		return 0, in.fail(ctx, err)
	}
	defer in.gate.leave()
	for {
		n, err := in.readOnce(p, want)
		if n > 0 {
			in.got(p, n)
			return n, nil
		}
		if err = in.gate.judge(ctx, err); err != nil {
			if n := in.readLast(p, want, err); n > 0 {
				return n, nil
			}
			return 0, in.fail(ctx, err)
		}
		if err := in.again(ctx); err != nil {
			return 0, in.fail(ctx, err)
		}
	}
}

// got notes that n bytes have arrived, in p or in the buffer.
func (in *inlet) got(p []byte, n int) {
	in.total.Add(int64(n))
	if p == nil {
		in.w += n
		in.most = max(in.most, in.w)
		in.atHand.Store(true)
	}
}

// lastRead is how long a net.Conn that cannot be read without waiting is given to return what it has.
const lastRead = 20 * time.Millisecond

// lastMax bounds what is read after EndIn where nobody can tell how much had arrived: a peer that sends on must not keep
// In from its end.
const lastMax = 8 << 20

// readLast reads, without waiting, what had arrived when EndIn refused the caller with err.
func (in *inlet) readLast(p []byte, want int, err error) int {
	if !in.gate.isShut(err) {
		return 0
	}
	left := in.gate.lastCall(in.arrived)
	if left == 0 {
		return 0
	}
	if p != nil {
		p = p[:min(len(p), left)]
	}
	n := in.readNow(p, want)
	if n > 0 {
		in.got(p, n)
		in.gate.took(n)
	}
	return n
}

// readNow reads what there is, without waiting where that is possible.
func (in *inlet) readNow(p []byte, want int) (n int) {
	if in.raw.ok() {
		return in.raw.readNow(p, want)
	}
	if nc, ok := in.c.nc.(tryReader); ok {
		if p == nil {
			p = in.space(want)
		}
		return nc.TryRead(p)
	}
	if in.gate.set(time.Now().Add(lastRead)) == nil {
		n, _ = in.readOnce(p, want)
	}
	return n
}

// tryReader reads what there is without waiting.
type tryReader interface {
	TryRead(p []byte) int
}

// arrived returns how many bytes can be read without waiting, at most.
func (in *inlet) arrived() int {
	if n, ok := arrivedAt(in.c.descriptor); ok {
		return n
	}
	return lastMax
}

// again enters anew after a deadline that was not meant for this call.
func (in *inlet) again(ctx context.Context) error {
	in.gate.leave()
	return in.gate.enter(ctx)
}

// fail keeps an error that is not the affair of one call.
func (in *inlet) fail(ctx context.Context, err error) error {
	if Resumable(ctx, err) {
		return err
	}
	if isEnd(err) {
		err = in.c.out.endOr(err)
	}
	in.err = err
	if isEnd(err) {
		in.end.Set(nil)
	} else {
		in.end.Set(err)
	}
	if in.r == in.w {
		in.giveBack()
	}
	switch {
	case isEnd(err):
		in.c.inEnded(true)
	case in.gate.isShut(err): // ended from here: by Close, EndIn or an abort, which saw to the rest
	default:
		in.c.failed(err)
		in.c.inEnded(true)
	}
	return err
}

// close is Source.Close.
func (in *inlet) close() error {
	in.gate.close(net.ErrClosed)
	in.c.inEnded(false)
	return nil
}

func (in *inlet) readOnce(p []byte, want int) (n int, err error) {
	if in.raw.ok() {
		return in.raw.read(p, want)
	}
	if t, ok := in.c.nc.(*tlsConn); ok && p == nil {
		in.giveBack()
		return t.readLazily(in.space, want)
	}
	if p == nil {
		p = in.space(want)
	}
	n, err = in.c.nc.Read(p)
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	if n == 0 && in.r == in.w {
		in.giveBack()
	}
	return n, err
}

// space returns room behind what is buffered, in a buffer borrowed for that. The buffer grows only when it is full of
// bytes that have arrived (G14); the next one that is borrowed is as large, as long as it was not too large.
func (in *inlet) space(want int) []byte {
	if in.blk == nil {
		in.borrow()
	}
	if in.w < len(in.buf) && (in.r == 0 || in.w-in.r+want <= len(in.buf)-in.r) {
		return in.buf[in.w:]
	}
	if in.r > 0 {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
	if in.w == len(in.buf) {
		in.grow()
	}
	return in.buf[in.w:]
}

// borrow gets a buffer of the usual size for what is stashed.
func (in *inlet) borrow() {
	in.blk = borrow(int(in.size))
	stash := in.buf[in.r:in.w]
	in.buf = in.blk.buf
	in.w = copy(in.buf, stash)
	in.r = 0
}

// grow moves what is buffered to a buffer of twice the size.
func (in *inlet) grow() {
	if in.blk.size == sizes-1 {
		in.buf = append(in.buf, make([]byte, len(in.buf))...)
		return
	}
	next := borrow(in.blk.size + 1)
	copy(next.buf, in.buf)
	in.blk.moveArena(next)
	in.blk.giveBack()
	in.blk, in.buf, in.size = next, next.buf, int8(next.size)
}

// stashMax is how much an idle connection may keep in a slice of its own instead of a borrowed buffer: the start of a
// value whose rest has not come.
const stashMax = 64

// giveBack returns the buffer before a wait, if next to nothing is in it.
func (in *inlet) giveBack() {
	if in.blk == nil || in.w-in.r > stashMax {
		return
	}
	var stash []byte
	if in.r < in.w {
		stash = append(make([]byte, 0, in.w-in.r), in.buf[in.r:in.w]...)
	}
	if in.most <= len(in.blk.buf)/4 && in.size > 0 {
		in.size-- // it was too large
	}
	in.most = 0
	in.blk.giveBack()
	in.blk = nil
	in.buf, in.r, in.w = stash, 0, len(stash)
}
