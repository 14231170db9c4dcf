package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"

	"github.com/weir-go/weir/internal/pool"
)

// Deflate configures message compression (RFC 7692). Connections with the same *Deflate share its compressors, each of
// which takes about 1 MiB with the standard library. The zero value is ready for use. Its fields must not change once
// it is in use.
type Deflate struct {
	// Level is the compression level of package compress/flate. 0 means flate.BestSpeed, or 7 with Takeover, because
	// lower levels of compress/flate do not refer back from a small message (BestSpeed, and levels up to 6 in Go 1.27).
	Level int

	// From is the size in bytes from which messages are compressed. 0 means 512.
	From int

	// Takeover lets a message refer to earlier ones if the peer agrees. It compresses small similar messages much
	// better, and costs a compressor for each connection, and 32 KiB for received data. MaxContexts limits the number
	// of such connections; others compress each message separately. 0 means 256.
	Takeover    bool
	MaxContexts int

	// NewWriter and NewReader, if not nil, replace those of compress/flate with another DEFLATE implementation. A
	// reader must be a flate.Resetter.
	NewWriter func(dst io.Writer, level int) (Compressor, error)
	NewReader func(src io.Reader) io.ReadCloser

	contexts atomic.Int32
	writers  pool.Pool[deflater]  // that nobody uses
	readers  pool.Pool[inflating] // that nobody uses
}

// Compressor is implemented by *flate.Writer. Flush must end with an empty stored block, as RFC 7692 7.2.1 requires.
type Compressor interface {
	io.Writer
	Flush() error
	Reset(dst io.Writer)
}

const (
	defaultFrom     = 512
	defaultContexts = 256
	window          = 1 << maxBits
)

func (d *Deflate) from() int {
	if d.From <= 0 {
		return defaultFrom
	}
	return d.From
}

// reserve counts a connection with context takeover, if there may be another.
func (d *Deflate) reserve() bool {
	if d.contexts.Add(1) > d.maxContexts() {
		d.contexts.Add(-1)
		return false
	}
	return true
}

func (d *Deflate) isFull() bool { return d.contexts.Load() >= d.maxContexts() }

func (d *Deflate) maxContexts() int32 {
	if d.MaxContexts <= 0 {
		return defaultContexts
	}
	return int32(min(d.MaxContexts, math.MaxInt32))
}

func (d *Deflate) unreserve() { d.contexts.Add(-1) }

// deflater compresses messages.
type deflater struct {
	d    *Deflate
	bits int
	w    Compressor
	out  bytes.Buffer
	keep bool // what was compressed before may be referred to
	held int  // bytes of that, if the window is smaller than the compressor's
}

// newDeflater returns a deflater with an empty window.
func (d *Deflate) newDeflater(bits int) (*deflater, error) {
	if z := d.writers.Get(); z != nil {
		z.bits = bits
		return z, nil // compress resets it
	}
	z := &deflater{d: d, bits: bits}
	level := d.Level
	switch {
	case level != 0:
	case d.Takeover:
		level = 7
	default:
		level = flate.BestSpeed
	}
	var err error
	if d.NewWriter != nil {
		z.w, err = d.NewWriter(&z.out, level)
	} else {
		z.w, err = flate.NewWriter(&z.out, level)
	}
	if err != nil {
		return nil, fmt.Errorf("websocket: Deflate: %w", err)
	}
	return z, nil
}

// free returns z to the pool.
func (z *deflater) free() {
	z.keep = false
	z.out.Reset()
	if z.out.Cap() > 64<<10 {
		z.out = bytes.Buffer{}
	}
	z.d.writers.Put(z)
}

// tail ends every compressed message and is not sent. RFC 7692, 7.2.1.
const tail = "\x00\x00\xff\xff"

// compress compresses one message. The result is valid until the next call. If the negotiated window is smaller than
// that of the compressor, it resets the compressor before a reference could reach beyond the window. Until the caller sets
// keep again, because the result is sent, nothing may refer to p: the Compressor may fail, or panic.
func (z *deflater) compress(p []byte) ([]byte, error) {
	z.out.Reset()
	keep := z.keep
	z.keep = false
	step := len(p)
	if z.bits < maxBits {
		step = 1 << z.bits
	}
	for first := true; first || len(p) > 0; first = false {
		n := min(step, len(p))
		if first && !keep || z.bits < maxBits && z.held+n > step {
			z.w.Reset(&z.out)
			z.held = 0
		}
		z.held += n
		if _, err := z.w.Write(p[:n]); err != nil {
			return nil, err
		}
		if err := z.w.Flush(); err != nil {
			return nil, err
		}
		p = p[n:]
	}
	out := z.out.Bytes()
	if !bytes.HasSuffix(out, []byte(tail)) {
		return nil, errors.New("websocket: the Compressor does not end a Flush with an empty stored block")
	}
	if out = out[:len(out)-len(tail)]; len(out) == 0 {
		out = []byte{0}
	}
	return out, nil
}

// compress compresses one message into memory that the caller must release. z is the compressor with context takeover,
// or nil.
func (w *writer) compress(z *deflater, p []byte) ([]byte, *lease, error) {
	if z == nil {
		var err error
		if z, err = w.cfg.Deflate.newDeflater(w.cfg.Extension.sendBits(w.cfg.Client)); err != nil {
			return nil, nil, err
		}
		defer z.free()
	}
	out, err := z.compress(p)
	if err != nil {
		return nil, nil, err
	}
	l := newLease(len(out))
	return l.bytes[:copy(l.bytes, out)], l, nil
}

// deflates reports whether m is sent compressed.
func (w *writer) deflates(m *Message) bool {
	return w.cfg.Deflate != nil && len(m.Data) >= w.cfg.Deflate.from()
}
