package httpc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/weir-go/weir/internal/http1"
)

// Part is one part of a multipart form (RFC 7578).
type Part struct {
	Name     string
	FileName string      // if set, the part is a file
	Header   http.Header // additional fields of the part; a Content-Type replaces that of Body
	Body     Body
}

// Field is a Part of text.
func Field(name, value string) Part { return Part{Name: name, Body: Text(value).As("")} }

// FilePart is a Part of a file, by the last element of its path.
func FilePart(name, path string) Part {
	return Part{Name: name, FileName: filepath.Base(path), Body: File(path)}
}

// Multipart returns a Body of parts, which are streamed one after the other and not collected in memory. Its length is
// known if the lengths of all parts are known, and it is repeatable if all parts are.
func Multipart(parts ...Part) Body {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	boundary := hex.EncodeToString(random[:])
	b := Body{contentType: "multipart/form-data; boundary=" + boundary, boundary: boundary}
	heads := make([][]byte, len(parts)+1)
	b.open = func(ctx context.Context) (io.ReadCloser, error) {
		return &multipartReader{ctx: ctx, parts: parts, heads: heads}, nil
	}
	for i, p := range parts {
		head, err := p.head(boundary, i == 0)
		if err == nil {
			err = p.Body.err
		}
		if err != nil {
			return Body{err: err, once: true, open: b.open}
		}
		heads[i] = head
		b.once = b.once || p.Body.once
		if b.length >= 0 && p.Body.length >= 0 {
			b.length += int64(len(head)) + p.Body.length
		} else {
			b.length = -1
		}
	}
	end := "\r\n--" + boundary + "--\r\n"
	if len(parts) == 0 {
		end = end[2:]
	}
	heads[len(parts)] = []byte(end)
	if b.length >= 0 {
		b.length += int64(len(end))
	}
	return b
}

// head returns the bytes before the body of a part.
func (p Part) head(boundary string, first bool) ([]byte, error) {
	disposition := `form-data; name="` + escapeName(p.Name) + `"`
	if p.FileName != "" {
		disposition += `; filename="` + escapeName(p.FileName) + `"`
	}
	if p.Name == "" || !http1.ValidValue(disposition) {
		return nil, invalid("a part without a name, or with a control character in one")
	}
	var b []byte
	if !first {
		b = append(b, "\r\n"...)
	}
	b = append(b, "--"+boundary+"\r\n"...)
	b = http1.AppendField(b, "Content-Disposition", disposition)
	if !http1.ValidValue(p.Body.contentType) {
		return nil, invalid("invalid Content-Type %q of part %q", p.Body.contentType, p.Name)
	}
	isType := func(name string) bool { return strings.EqualFold(name, "Content-Type") }
	if p.Body.contentType != "" && !slices.ContainsFunc(sortedKeys(p.Header), isType) {
		b = http1.AppendField(b, "Content-Type", p.Body.contentType)
	}
	for _, name := range sortedKeys(p.Header) {
		for _, v := range p.Header[name] {
			if !http1.ValidToken(name) || !http1.ValidValue(v) || strings.EqualFold(name, "Content-Disposition") {
				return nil, invalid("invalid field %q of part %q", name, p.Name)
			}
			b = http1.AppendField(b, name, v)
		}
	}
	return append(b, "\r\n"...), nil
}

// escapeName escapes a name as browsers do.
func escapeName(s string) string {
	return strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A").Replace(s)
}

// multipartReader yields heads and bodies alternately. Only interrupt may run concurrently with the other methods.
type multipartReader struct {
	ctx   context.Context
	parts []Part
	heads [][]byte
	at    int // the next item: heads[at/2], or parts[at/2].Body if odd
	now   io.ReadCloser
	left  int64 // of now; negative if its length is unknown

	mu      sync.Mutex // guards stopped, and now against interrupt
	stopped bool
}

func (m *multipartReader) Read(p []byte) (int, error) {
	for {
		if m.now == nil {
			r, err := m.next()
			if err != nil {
				return 0, err
			}
			m.set(r)
		}
		n, err := m.now.Read(p)
		if m.left >= 0 {
			if m.left -= int64(n); m.left < 0 {
				return 0, http1.ErrBodyTooLong
			}
		}
		if err == io.EOF {
			if m.left > 0 { // the next boundary would make the part look complete
				return n, http1.ErrBodyTooShort
			}
			err = m.now.Close()
			m.set(nil)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (m *multipartReader) set(now io.ReadCloser) {
	m.mu.Lock()
	m.now = now
	stopped := m.stopped
	m.mu.Unlock()
	if stopped {
		interrupt(now)
	}
}

// interrupt ends the Read in progress, if the type of its part permits that, and those of later parts.
func (m *multipartReader) interrupt() {
	m.mu.Lock()
	m.stopped = true
	now := m.now
	m.mu.Unlock()
	interrupt(now)
}

// next opens the next item.
func (m *multipartReader) next() (io.ReadCloser, error) {
	i := m.at
	if i > 2*len(m.parts) {
		return nil, io.EOF
	}
	m.at++
	if i%2 == 0 {
		m.left = int64(len(m.heads[i/2]))
		return newBytesBody(m.heads[i/2]), nil
	}
	m.left = m.parts[i/2].Body.length
	return m.parts[i/2].Body.reader(m.ctx)
}

// Close closes the current part, and the bodies of the parts not reached that can be read only once.
func (m *multipartReader) Close() error {
	if m.now != nil {
		_ = m.now.Close()
		m.set(nil)
	}
	for ; m.at < 2*len(m.parts); m.at++ {
		if m.at%2 == 1 {
			m.parts[m.at/2].Body.discard(m.ctx)
		}
	}
	return nil
}
