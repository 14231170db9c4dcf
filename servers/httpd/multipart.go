package httpd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// MultipartConfig configures [Multipart]. A nil *MultipartConfig and the zero value use the defaults. A request that
// exceeds a limit fails with a [*RequestError] of status 413.
type MultipartConfig struct {
	// MaxParts limits the number of parts. 0 means 1,000.
	MaxParts int

	// MaxHead limits the length of a part's head, MaxFields the number of its fields, and MaxName the length of its
	// name and file name. 0 means 16 KiB, 32 and 1 KiB.
	MaxHead, MaxFields, MaxName int

	// MaxText limits the total length of the parts without a file name. 0 means 10 MiB.
	MaxText int64

	// Store stores files before their parts are received: in memory up to MaxMemory in total, beyond that on disk, up
	// to MaxDisk in total. A part then need not be released before the next is received. Without Store, files are
	// received while the client sends them, and neither limit applies. 0 means 32 MiB and 1 GiB.
	Store              bool
	MaxMemory, MaxDisk int64

	// TempDir is the directory for stored files. "" means os.TempDir.
	TempDir string
}

// Part is one part of a multipart/form-data request: RFC 7578.
type Part struct {
	// Name is the name of the form's field.
	Name string

	// FileName is the last element of the file name that the client sent, or "" if the part is not a file. The client
	// chooses it, so do not use it as a path.
	FileName string

	// Header holds all fields of the part's head.
	Header textproto.MIMEHeader

	// Text is the content of a part without a file name.
	Text string

	// Source yields the content of a file. It is nil for other parts.
	Source *chanio.Source[[]byte]

	// Size is the length of the content, or -1 for a file that is not stored.
	Size int64

	// OnDisk reports whether the content is stored in a temporary file, which Release removes.
	OnDisk bool

	once    sync.Once
	release func()
}

// Release ends the use of the part: it drops the rest of its content and frees what was stored. It is idempotent and
// safe for concurrent use.
func (p *Part) Release() { p.once.Do(p.release) }

// Multipart returns the parts of a multipart/form-data request as a Source, for a handler of any server:
//
//	parts, err := httpd.Multipart(w, r, nil)
//	...
//	for part, err := range parts.Values(ctx) {
//		if err != nil { return err }
//		if part.FileName != "" { _, err = chanio.Transfer(ctx, part.Source, store) }
//		part.Release()
//	}
//
// A part is received once its head has arrived. A file is read from the client as its Source is received: the next part
// follows only after the file has been received to its end or released. A receiver that does neither blocks itself.
// Data that is not received uses no memory.
//
// A request of another type is a [*RequestError] of status 415. The Source fails with one of status 400 if the body is
// malformed or ends early, with one of 408 if the client is too slow, with one of 413 if it exceeds a limit, and with
// another error if a file cannot be stored. A ctx that ends while a Recv waits for the client, of parts or of a file,
// ends both. Multipart replaces r.Body. cfg may be nil.
func Multipart(w http.ResponseWriter, r *http.Request, cfg *MultipartConfig) (*chanio.Source[*Part], error) {
	boundary, err := boundaryOf(r)
	if err != nil {
		return nil, err
	}
	m := &multiparts{done: make(chan struct{}), quit: make(chan struct{})}
	if cfg != nil {
		m.cfg = *cfg
	}
	m.cfg.complete()
	m.src, m.body = newBody(w, r)
	m.in.src = m.body
	m.reader = multipart.NewReader(&m.in, boundary)
	close(m.done)
	return chanio.NewSource(chanio.SourceHooks[*Part]{
		Next: m.next, Close: m.close, Undelivered: (*Part).Release,
		Describe: func() chanio.Description { return chanio.Description{Kind: "httpd.Multipart"} },
	}), nil
}

func (cfg *MultipartConfig) complete() {
	cfg.MaxParts = cmp.Or(cfg.MaxParts, 1000)
	cfg.MaxHead = cmp.Or(cfg.MaxHead, 16<<10)
	cfg.MaxFields = cmp.Or(cfg.MaxFields, 32)
	cfg.MaxName = cmp.Or(cfg.MaxName, 1<<10)
	cfg.MaxText = cmp.Or(cfg.MaxText, 10<<20)
	cfg.MaxMemory = cmp.Or(cfg.MaxMemory, 32<<20)
	cfg.MaxDisk = cmp.Or(cfg.MaxDisk, 1<<30)
}

// boundaryOf returns the boundary of a multipart request: RFC 2046 5.1.1.
func boundaryOf(r *http.Request) (string, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return "", refusef(http.StatusUnsupportedMediaType, "the request is not multipart/form-data")
	}
	boundary := params["boundary"]
	if boundary == "" || len(boundary) > 70 {
		return "", refusef(http.StatusBadRequest, "multipart: invalid boundary")
	}
	return boundary, nil
}

// multiparts reads one part after another.
type multiparts struct {
	cfg    MultipartConfig
	src    *chanio.Source[[]byte]
	body   *bodySource
	in     boundedReader
	reader *multipart.Reader

	parts        int
	text         int64
	memory, disk int64           // stored bytes
	current      *multipart.Part // not read to its end, if not nil
	done         chan struct{}   // closed when no goroutine reads current any more
	quit         chan struct{}   // closed when the Source is closed
	once         sync.Once
}

// boundedReader reads the body with the ctx of the current call. If bounded is set, it reads at most left bytes.
type boundedReader struct {
	src         *bodySource
	ctx         context.Context
	left        int
	bounded     bool
	interrupted bool  // a ctx ended within a read, so the multipart.Reader may have lost bytes
	err         error // why the body ended before its end, which a multipart.Reader hides if that was within a line
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.bounded {
		if b.left == 0 {
			b.err = errPartHead
			return 0, b.err
		}
		p = p[:min(len(p), b.left)]
	}
	n, err := b.src.Read(b.ctx, p)
	b.left -= n
	switch {
	case err == nil, err == io.EOF:
	case b.ctx.Err() != nil && chanio.Resumable(b.ctx, err):
		b.interrupted = true
	default:
		b.err = err
	}
	return n, err
}

var errPartHead = refusef(http.StatusRequestEntityTooLarge, "multipart: head of a part too long: %w", chanio.ErrTooLarge)

// errPartsInterrupted is the error of a Source of parts after a ctx has ended within a read.
var errPartsInterrupted = errors.New("httpd: multipart: a context ended within a call, after which the parts cannot be read")

func (m *multiparts) next(ctx context.Context) (*Part, error) {
	if ctx.Err() != nil {
		return nil, chanio.Cause(ctx)
	}
	select { // until then the previous part is in use
	case <-m.done:
	case <-m.quit:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, chanio.Cause(ctx)
	}
	if m.in.interrupted {
		return nil, errPartsInterrupted
	}
	m.in.ctx = ctx
	if err := m.skip(); err != nil {
		return nil, m.judge(ctx, err)
	}
	p, err := m.nextPart(ctx)
	if err != nil {
		return nil, m.judge(ctx, err)
	}
	return p, nil
}

// skip drops the rest of the previous part.
func (m *multiparts) skip() error {
	if m.current == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, m.current); err != nil {
		return err
	}
	m.current = nil
	return nil
}

// nextPart reads the head of a part, and the content of a text or stored part.
func (m *multiparts) nextPart(ctx context.Context) (*Part, error) {
	m.in.bounded, m.in.left = true, m.cfg.MaxHead
	raw, err := m.reader.NextRawPart()
	m.in.bounded = false
	if err != nil {
		return nil, err
	}
	if m.parts++; m.parts > m.cfg.MaxParts {
		return nil, refusef(http.StatusRequestEntityTooLarge, "multipart: more than %d parts: %w", m.cfg.MaxParts, chanio.ErrTooLarge)
	}
	m.current = raw
	name, fileName, isFile := disposition(raw.Header)
	p := &Part{Name: name, FileName: baseName(fileName), Header: raw.Header, Size: -1, release: func() {}}
	switch err := m.check(p); {
	case err != nil:
		return nil, err
	case !isFile:
		return p, m.readText(p, raw)
	case m.cfg.Store:
		return p, m.store(p, raw)
	}
	m.stream(p, raw)
	return p, nil
}

// check applies the limits to the head of a part.
func (m *multiparts) check(p *Part) error {
	fields := 0
	for _, values := range p.Header {
		fields += len(values)
	}
	switch {
	case p.Name == "":
		return refusef(http.StatusBadRequest, "multipart: part without a name")
	case fields > m.cfg.MaxFields, len(p.Name) > m.cfg.MaxName, len(p.FileName) > m.cfg.MaxName:
		return errPartHead
	}
	return nil
}

// disposition returns the name and file name in the head of a part. A part with a file name, even an empty one, is a
// file.
func disposition(h textproto.MIMEHeader) (name, fileName string, isFile bool) {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if err != nil || kind != "form-data" {
		return "", "", false
	}
	fileName, isFile = params["filename"]
	return params["name"], fileName, isFile
}

// baseName returns the last element of a path of any operating system, or "" if there is none.
func baseName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if at := strings.IndexByte(name, 0); at >= 0 || name == "." || name == ".." {
		return ""
	}
	return name
}

// beyond limits r to one byte more than limit.
func beyond(r io.Reader, limit int64) io.Reader {
	return io.LimitReader(r, max(limit, limit+1)) // limit+1 may overflow
}

func (m *multiparts) readText(p *Part, raw *multipart.Part) error {
	left := m.cfg.MaxText - m.text
	text, err := io.ReadAll(beyond(raw, left))
	if err != nil {
		return err
	}
	if int64(len(text)) > left {
		return refusef(http.StatusRequestEntityTooLarge, "multipart: more than %d bytes of text: %w", m.cfg.MaxText, chanio.ErrTooLarge)
	}
	m.text += int64(len(text))
	p.Text, p.Size, m.current = string(text), int64(len(text)), nil
	return nil
}

// stream makes p.Source read the content from the client.
func (m *multiparts) stream(p *Part, raw *multipart.Part) {
	done := make(chan struct{})
	m.done = done
	over := sync.OnceFunc(func() { close(done) })
	f := &streamedFile{m: m, raw: raw, over: over, turn: make(chan struct{}, 1)}
	p.Source = chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next: f.next, Close: f.close,
		Describe: func() chanio.Description { return chanio.Description{Kind: "httpd.Part"} },
	})
	p.release = func() { _ = p.Source.Close() }
}

// judge returns the error for the receiver: err, the cause of ctx, or a RequestError if the client is at fault.
func (m *multiparts) judge(ctx context.Context, err error) error {
	var refused *RequestError
	var tooLarge *http.MaxBytesError
	var disk *fs.PathError
	if m.in.err != nil && err != io.EOF {
		err = m.in.err
	}
	err = deadline.Final(err) // a part of a line may be lost, so no later call can go on
	switch {
	case m.in.interrupted: // err may be about a line that is cut
		return chanio.Cause(ctx)
	case err == io.EOF: // after the last part
		return io.EOF
	case errors.As(err, &disk):
		return fmt.Errorf("httpd: multipart: %w", err)
	case errors.Is(err, net.ErrClosed): // here, with the Source of parts
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refusef(http.StatusRequestTimeout, "multipart: %w", err)
	case errors.As(err, &refused), errors.As(err, &tooLarge), errors.Is(err, chanio.ErrTooLarge):
		return err
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return refusef(http.StatusBadRequest, "multipart: %w", err)
}

func (m *multiparts) close() error {
	m.once.Do(func() { close(m.quit) })
	return m.src.Close()
}

// streamedFile is the content of a part that is read from the client.
type streamedFile struct {
	m      *multiparts
	raw    *multipart.Part
	over   func()        // allows the next part to be read
	turn   chan struct{} // full while a goroutine reads
	closed atomic.Bool
}

func (f *streamedFile) next(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, chanio.Cause(ctx)
	}
	f.turn <- struct{}{}
	defer func() {
		<-f.turn
		if f.closed.Load() { // during the read
			f.over()
		}
	}()
	switch {
	case f.m.in.interrupted:
		return nil, errPartsInterrupted
	case f.closed.Load():
		return nil, net.ErrClosed
	}
	f.m.in.ctx = ctx
	p := make([]byte, 4<<10)
	n, err := f.raw.Read(p)
	switch {
	case f.m.in.interrupted: // p may hold the start of a boundary
	case n > 0:
		return p[:n], nil
	case err == nil:
		err = io.ErrNoProgress
	case err == io.EOF:
		f.m.current = nil
	}
	f.closed.Store(true)
	if err != io.EOF {
		err = f.m.judge(ctx, err)
	}
	return nil, err
}

// close allows the next part to be read, after a Read in progress.
func (f *streamedFile) close() error {
	f.closed.Store(true)
	select {
	case f.turn <- struct{}{}:
		<-f.turn
		f.over()
	default: // the Read in progress calls over
	}
	return nil
}
