package httpc

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// wire writes the bytes of connections to Config.Wire.
type wire struct {
	cfg *Config

	mu    sync.Mutex
	conns int
	off   bool // the Writer has panicked
}

// show writes one event to the Writer. If the Writer panics, the wire log is turned off.
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
			log.Error("httpc: Config.Wire has panicked and is not used any more", "err", err)
		}
	}()
	_, _ = w.cfg.Wire.Write(text)
	w.off = false
}

// tap returns nc, wrapped so that its reads and writes are logged.
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

// wireText formats one direction of a connection. mark starts each line.
type wireText interface {
	text(to []byte, mark string, p []byte) []byte
}

// tap is a connection with logged bytes. It supports one reader and one writer at a time.
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
	t.show(t.out, '>', p) // before the peer can answer
	return t.Conn.Write(p)
}

func (t *tap) show(as wireText, arrow byte, p []byte) {
	if len(p) > 0 {
		t.w.show(as.text(nil, fmt.Sprintf("%c %d ", arrow, t.n), p))
	}
}

func (t *tap) over() { t.closed.Do(func() { t.w.show(fmt.Appendf(nil, "= %d closed\n", t.n)) }) }

// Close closes the underlying connection.
func (t *tap) Close() error {
	t.over()
	return t.Conn.Close()
}

// CloseWrite half-closes the underlying connection.
func (t *tap) CloseWrite() error {
	return t.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// Abort aborts the underlying connection.
func (t *tap) Abort() {
	t.over()
	t.Conn.(interface{ Abort() }).Abort()
}

// lineText formats bytes in hex, with x for the values of secret fields. It looks for these at the start of each line,
// also in bodies.
type lineText struct {
	cfg    *Config
	line   []byte // the start of the line, up to the length of a name
	masked bool   // hide the rest of the line
	folded bool   // the previous line was hidden, and white space continues it
	begun  bool   // the line has started
}

// maxName limits the names of secret fields that are found.
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

// next returns the text for the next byte.
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
