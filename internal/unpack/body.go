// Package unpack decompresses the bodies of messages, for a server and for a client.
package unpack

import (
	"bufio"
	"io"
	"net/http"
	"sync"
)

// RatioFrom is the decompressed length from which Config.MaxRatio applies.
const RatioFrom = 1 << 20

// Config configures a [Body].
type Config struct {
	// Open returns the decompressing reader of r.
	Open func(r io.Reader) (io.Reader, error)

	// Judge, if not nil, returns the error of a Read. err is that of Open or, if opened is true, of the decompressing
	// reader. Judge is not called for an error of the compressed body, which Read returns unchanged.
	Judge func(err error, opened bool) error

	MaxRatio int   // of decompressed to compressed bytes
	MaxBody  int64 // the maximum decompressed length; 0 means no limit
	TooLarge error // the error of a body that exceeds these limits
}

// Body decompresses a body as it is read. One goroutine at a time may call Read, and any goroutine Close and End.
//
// The first Read creates the decompressing reader. If that is an io.Closer, it is closed once, after the last Read: when
// the body has ended or failed, or after Close or End.
type Body struct {
	cfg    Config
	packed counter
	ahead  *bufio.Reader // of packed, or decompressing readers would have their own and drop what they read too much
	out    int64         // decompressed bytes

	mu      sync.Mutex
	plain   io.Reader // nil before the first Read, and once it is released
	err     error     // sticky
	reading bool
	closed  bool
}

// counter reads the compressed body, counts its bytes and keeps its error.
type counter struct {
	io.ReadCloser
	n   int64
	err error // other than io.EOF
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// Init makes b the decompressed form of packed.
func (b *Body) Init(packed io.ReadCloser, cfg Config) { b.packed.ReadCloser, b.cfg = packed, cfg }

// Read reads decompressed bytes.
func (b *Body) Read(p []byte) (n int, err error) {
	plain, err := b.begin()
	if err != nil {
		return 0, err
	}
	defer b.leave(&err)
	if plain == nil {
		if plain, err = b.open(); err != nil {
			return 0, err
		}
	}
	n, err = plain.Read(p)
	b.out += int64(n)
	switch {
	case b.tooLarge():
		return 0, b.cfg.TooLarge
	case err != nil:
		err = b.judged(err, true)
	}
	return n, err
}

// begin starts a Read and returns the decompressing reader, if there is one.
func (b *Body) begin() (plain io.Reader, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, http.ErrBodyReadAfterClose
	case b.err != nil:
		return nil, b.err
	}
	b.reading = true
	return b.plain, nil
}

// open creates the decompressing reader.
func (b *Body) open() (io.Reader, error) {
	b.ahead = bufio.NewReader(&b.packed)
	plain, err := b.cfg.Open(b.ahead)
	if err == io.EOF && b.packed.n > 0 { // not the end of an empty body
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, b.judged(err, false)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.plain = plain
	return plain, nil
}

func (b *Body) tooLarge() bool {
	return b.cfg.MaxBody > 0 && b.out > b.cfg.MaxBody ||
		b.out > RatioFrom && b.out/int64(b.cfg.MaxRatio) > b.packed.n
}

// judged returns the error of a Read.
func (b *Body) judged(err error, opened bool) error {
	switch {
	case b.packed.err != nil:
		return b.packed.err
	case b.cfg.Judge != nil:
		return b.cfg.Judge(err, opened)
	}
	return err
}

// leave ends a Read.
func (b *Body) leave(err *error) {
	b.mu.Lock()
	b.reading = false
	b.endAndUnlock(*err)
}

// endAndUnlock ends the body, unless err is nil, and releases the decompressing reader if no further Read follows.
func (b *Body) endAndUnlock(err error) {
	if b.err == nil {
		b.err = err
	}
	var over io.Reader
	if !b.reading && (b.closed || b.err != nil) { // a Read in progress releases it when it returns
		over, b.plain = b.plain, nil
	}
	b.mu.Unlock()
	if c, ok := over.(io.Closer); ok {
		_ = c.Close() // it reports what Read has reported
	}
}

// End ends the body with err, unless it has ended before. It does not close the compressed body.
func (b *Body) End(err error) {
	b.mu.Lock()
	b.endAndUnlock(err)
}

// Close closes the compressed body and ends this one.
func (b *Body) Close() error {
	b.mu.Lock()
	closed := b.closed
	b.closed = true
	b.mu.Unlock()
	if closed {
		return nil
	}
	err := b.packed.Close() // first, because it may end a blocked Read
	b.End(nil)
	return err
}

// Rest reads one byte of the compressed body beyond the end of the decompressed one, for Judge. It returns io.EOF at
// the end of the compressed body, where its trailers are.
func (b *Body) Rest() (more bool, err error) {
	var p [1]byte
	n, err := io.ReadFull(b.ahead, p[:])
	return n > 0, err
}
