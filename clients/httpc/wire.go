package httpc

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// wire shows the bytes of connections: see Config.Wire.
type wire struct {
	cfg *Config

	mu    sync.Mutex
	conns int
	off   bool // the Writer has panicked
}

// show writes one event to the Writer, whose panic turns the wire off.
func (w *wire) show(text []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off {
		return
	}
	w.off = true
	defer func() {
		if !w.off {
			return
		}
		err := chanio.Recovered(recover())
		if log := w.cfg.Logger; log != nil {
			log.Error("httpc: Config.Wire has panicked and is not used any more", "error", err)
		}
	}()
	_, _ = w.cfg.Wire.Write(text)
	w.off = false
}

// tap returns nc such that what it reads and writes is shown.
func (w *wire) tap(nc *chanio.Conn, http2 bool, conf *chanio.ConnConfig) *chanio.Conn {
	w.mu.Lock()
	w.conns++
	t := &tap{Conn: chanio.AsNetConn(nc), w: w, n: w.conns}
	w.mu.Unlock()
	version := "HTTP/1"
	if http2 {
		version = "HTTP/2"
		t.in, t.out = newFrameText(w.cfg, false), newFrameText(w.cfg, true)
	} else {
		t.in, t.out = &lineText{cfg: w.cfg}, &lineText{cfg: w.cfg}
	}
	secure := ""
	if nc.TLS() != nil {
		secure = " over TLS"
	}
	w.show(fmt.Appendf(nil, "= %d %s%s with %v\n", t.n, version, secure, nc.RemoteAddr()))
	return chanio.NewConn(t, conf)
}

// wireText makes text of one direction of a connection. mark stands before each line that it begins with.
type wireText interface {
	text(to []byte, mark string, p []byte) []byte
}

// tap is a connection whose bytes are shown. There is one reader and one writer at a time.
type tap struct {
	net.Conn
	w       *wire
	n       int
	in, out wireText
	closed  sync.Once
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.show(t.in, '<', p[:n])
	if err == io.EOF {
		t.w.show(fmt.Appendf(nil, "< %d end\n", t.n))
	}
	return n, err
}

func (t *tap) Write(p []byte) (int, error) {
	t.show(t.out, '>', p) // before the answer
	return t.Conn.Write(p)
}

func (t *tap) show(as wireText, arrow byte, p []byte) {
	if len(p) > 0 {
		t.w.show(as.text(nil, fmt.Sprintf("%c %d ", arrow, t.n), p))
	}
}

func (t *tap) over() { t.closed.Do(func() { t.w.show(fmt.Appendf(nil, "= %d closed\n", t.n)) }) }

// Close closes the connection below.
func (t *tap) Close() error {
	t.over()
	return t.Conn.Close()
}

// CloseWrite half-closes it.
func (t *tap) CloseWrite() error {
	return t.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// Abort ends it at once.
func (t *tap) Abort() {
	t.over()
	t.Conn.(interface{ Abort() }).Abort()
}

// lineText shows bytes in hex, with the values of secret fields as x. It looks for these at the begin of each line, in
// bodies too.
type lineText struct {
	cfg    *Config
	line   []byte // the begin of the line, as far as a name may go
	masked bool   // the rest of the line is not shown
	folded bool   // the line before was not, and this one continues it if it begins with white space
	begun  bool   // this line has begun
}

// maxName is how long the names of secret fields may be that are found.
const maxName = 256

func (l *lineText) text(to []byte, mark string, p []byte) []byte {
	to = fmt.Appendf(to, "%s%d bytes\n", mark, len(p))
	if !l.cfg.ShowSecrets {
		shown := make([]byte, len(p))
		for i, c := range p {
			shown[i] = l.next(c)
		}
		p = shown
	}
	return append(to, hex.Dump(p)...)
}

// next returns what is shown of the next byte.
func (l *lineText) next(c byte) byte {
	switch {
	case c == '\n':
		*l = lineText{cfg: l.cfg, line: l.line[:0], folded: l.masked}
		return c
	case !l.begun:
		l.begun = true
		l.masked = l.folded && (c == ' ' || c == '\t')
	}
	if l.masked {
		if c == '\r' {
			return c
		}
		return 'x'
	}
	if c == ':' && len(l.line) < maxName {
		l.masked = l.cfg.isSecret(string(l.line))
	}
	if len(l.line) < maxName {
		l.line = append(l.line, c)
	}
	return c
}
