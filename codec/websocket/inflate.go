package websocket

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/weir-go/weir/chanio"
)

// inflating is one compressed message while it is uncompressed. Its data is at hand, so it never waits.
type inflating struct {
	d      *Deflate
	z      io.ReadCloser
	src    bytes.Reader
	window []byte // what the peer may refer to
	out    []byte // scratch for a small message
	kind   Kind
	text   textCheck
	size   int64
	limit  int64
	finals int64 // blocks that the peer has called final
}

// Each final block resets the window, which costs more than its size suggests. A message may have maxFinals of them,
// and one more for each bytesPerFinal of its uncompressed data.
const (
	maxFinals     = 1024
	bytesPerFinal = 512
)

func tooManyFinals() error {
	return &CloseError{Code: PolicyViolation, Reason: "compressed message of too many final blocks", Local: true, Err: ErrTooLarge}
}

// ending is appended to a message: the bytes that the peer left out, and a final block at which the reader ends.
const ending = tail + "\x01\x00\x00\xff\xff"

// newInflating starts to uncompress a message. It appends to data, and owns window.
func (d *Deflate) newInflating(data, window []byte, limit int64) *inflating {
	f := d.readers.Get()
	if f == nil {
		f = &inflating{d: d}
	}
	f.src.Reset(append(data, ending...))
	f.text, f.size, f.finals, f.limit = textCheck{}, 0, 0, limit
	if window != nil {
		f.window = window
	}
	switch {
	case f.z != nil:
	case d.NewReader != nil:
		f.z = d.NewReader(&f.src)
	default:
		f.z = flate.NewReader(&f.src)
	}
	f.reset()
	return f
}

func (f *inflating) reset() {
	_ = f.z.(flate.Resetter).Reset(&f.src, f.window) // a reader that cannot begin says so when it reads
}

// read reads more of the message. It returns io.EOF after its end.
func (f *inflating) read(p []byte) (n int, err error) {
	for {
		n, err = f.z.Read(p)
		if left := f.src.Len(); err == io.EOF && left > 0 && left < len(ending) {
			err = io.ErrUnexpectedEOF // the last block is cut, and its data goes on into ending
		}
		if err == io.EOF && f.src.Len() > len(ending) { // a final block within the message; RFC 7692 7.2.3.4
			f.remember(p[:n])
			if f.finals++; f.finals > maxFinals+(f.size+int64(n))/bytesPerFinal {
				return 0, tooManyFinals()
			}
			f.reset()
			if err = nil; n == 0 {
				continue
			}
		} else {
			f.remember(p[:n])
		}
		break
	}
	if f.size += int64(n); f.limit > 0 && f.size > f.limit {
		return 0, tooBig("message", f.limit)
	}
	if err != nil && err != io.EOF {
		err = &CloseError{Code: InvalidData, Reason: "compressed data is invalid", Local: true, Err: err}
	}
	return n, err
}

// remember keeps the last bytes for references to them.
func (f *inflating) remember(p []byte) {
	if len(p) >= window {
		f.window = append(f.window[:0], p[len(p)-window:]...)
		return
	}
	if over := len(f.window) + len(p) - window; over > 0 {
		f.window = f.window[:copy(f.window, f.window[over:])]
	}
	f.window = append(f.window, p...)
}

// end returns f to the pool, with the memory of its window.
func (f *inflating) end() {
	f.src.Reset(nil)
	f.window = f.window[:0]
	f.d.readers.Put(f)
}

// peerRemembers reports whether the peer's messages may refer to earlier ones.
func (r *reader) peerRemembers() bool {
	cfg := &r.conn.cfg
	return !cfg.Extension.sendsFresh(!cfg.Client)
}

// beginInflating starts to uncompress a message.
func (r *reader) beginInflating(data []byte, limit int64) *inflating {
	c := r.conn
	var before []byte
	if r.peerRemembers() {
		before = c.w.memory.window
	}
	return c.cfg.Deflate.newInflating(data, before, limit)
}

// endInflating ends that and keeps the window for the next message.
func (r *reader) endInflating(f *inflating) {
	if r.peerRemembers() {
		r.conn.w.memory.window = f.window
		f.window = nil
	}
	f.end()
}

// uncompress calls f, which uses a reader of the user. If that panics, the connection ends, and the panic continues.
func (r *reader) uncompress(f func() (Message, error)) (m Message, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		_ = r.judge(context.Background(), &CloseError{Code: InternalError, Local: true, Err: chanio.Recovered(v)})
		if v != nil {
			panic(v)
		}
	}()
	m, err = f()
	returned = true
	return m, err
}

// wholeCompressed is whole for a compressed message. One that is read ahead and turns out to be too large stays
// compressed, since RecvParts may want it.
func (r *reader) wholeCompressed() (m Message, err error) {
	ahead := r.budget != unbounded
	switch {
	case r.wanted == asPieces:
		return r.inflateByParts()
	case ahead && r.at == collected:
		return m, errNoBudget
	}
	var before []byte
	if ahead && r.peerRemembers() {
		before = slices.Clone(r.conn.w.memory.window)
	}
	m.Kind = r.kind
	m.Data, err = r.inflate(r.buf)
	if ahead && errors.Is(err, ErrTooLarge) {
		r.at, r.conn.w.memory.window = collected, before
		return m, errNoBudget
	}
	r.at, r.buf = between, nil
	r.drop()
	if err == nil && m.Kind == TextMessage && !utf8.Valid(m.Data) {
		err = errNotText()
	}
	return m, err
}

// smallInflated is the size of the scratch for a message whose uncompressed size is not known. A message that fits is
// copied: memory for four times the compressed size would be twice as much garbage.
const smallInflated = 8 << 10

// inflate uncompresses a whole message. Memory grows as it turns out to be large, up to MaxMessage.
func (r *reader) inflate(data []byte) ([]byte, error) {
	c := r.conn
	f := r.beginInflating(data, int64(c.cfg.MaxMessage))
	defer r.endInflating(f)
	if size := 4*len(data) + 64; size > smallInflated {
		return f.inflate(make([]byte, 0, min(size, c.cfg.MaxMessage, firstSpace)+1))
	}
	if f.out == nil {
		f.out = make([]byte, 0, smallInflated)
	}
	out, err := f.inflate(f.out)
	switch {
	case err != nil || cap(out) != cap(f.out): // it has outgrown the scratch
		return out, err
	case len(out) == 0:
		return []byte{}, nil
	}
	return r.src.Clone(out), nil
}

// inflate appends the whole message to out.
func (f *inflating) inflate(out []byte) ([]byte, error) {
	for {
		if len(out) == cap(out) {
			out = append(out, 0)[:len(out)]
		}
		n, err := f.read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// dropInflating drops the rest of a message that is received in pieces, unless later messages may refer to it. It
// reports whether it did.
func (r *reader) dropInflating() bool {
	if r.at != unpacking || r.peerRemembers() {
		return false
	}
	r.inflating.end()
	r.at, r.inflating = between, nil
	return true
}

// inflateByParts starts a message that is received in pieces.
func (r *reader) inflateByParts() (Message, error) {
	r.ownBuf()
	r.inflating = r.beginInflating(r.buf, r.most)
	r.inflating.kind = r.kind
	r.at, r.wanted, r.buf = unpacking, asOwned, nil
	return piece(r.kind, nil, false), nil
}

// inflatedPart returns the next piece of the message.
func (r *reader) inflatedPart() (Message, error) {
	f := r.inflating
	p := make([]byte, pieceMax)
	n, err := f.read(p)
	if err != nil && err != io.EOF {
		return Message{}, err
	}
	last := err == io.EOF
	if f.kind == TextMessage && (!f.text.add(p[:n]) || last && !f.text.done()) {
		return Message{}, errNotText()
	}
	if last {
		r.at, r.inflating = between, nil
		r.endInflating(f)
	}
	return piece(f.kind, p[:n], last), nil
}
