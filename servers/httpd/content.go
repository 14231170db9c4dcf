package httpd

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path"
	"strconv"
	"time"
)

// content is what can be sent in parts: a file or a region of one.
type content struct {
	file     fs.File
	off      int64
	size     int64
	name     string // determines the media type
	modified time.Time
	etag     string
}

// etagOf derives an entity tag from the modification time and size of a file. It is strong. If a file is rewritten with
// the same size within the resolution of its clock, the tag does not change.
func etagOf(modified time.Time, off, size int64) string {
	if modified.IsZero() {
		return ""
	}
	tag := `"` + strconv.FormatInt(modified.UnixNano(), 36) + "-" + strconv.FormatInt(size, 36)
	if off > 0 {
		tag += "-" + strconv.FormatInt(off, 36)
	}
	return tag + `"`
}

// serve answers a request for c, or for ranges of it.
func (c *content) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	if err := c.describe(h); err != nil {
		return err
	}
	ranges := true
	if isSafe(r) {
		var instead int
		if instead, ranges = precondition(r, validatorsOf(h)); instead != 0 {
			return answerCondition(w, instead)
		}
	}
	var spans []span
	if c.seekable() && isSafe(r) {
		h.Set("Accept-Ranges", "bytes")
		if field := r.Header.Get("Range"); ranges && field != "" && r.Method == http.MethodGet {
			var whole bool
			if spans, whole = parseRange(field, c.size); len(spans) == 0 && !whole {
				return c.refuseRange(w)
			}
		}
	}
	return c.send(w, r, spans)
}

// describe sets the fields that describe c, unless the handler has set them.
func (c *content) describe(h http.Header) error {
	if len(h.Values("Content-Type")) == 0 {
		kind, err := c.kind()
		if err != nil {
			return err
		}
		h.Set("Content-Type", kind)
	}
	if h.Get("Etag") == "" && c.etag != "" {
		h.Set("Etag", c.etag)
	}
	if h.Get("Last-Modified") == "" && !c.modified.IsZero() {
		h.Set("Last-Modified", c.modified.UTC().Format(http.TimeFormat))
	}
	return nil
}

// kind returns the media type by the extension of the name or, if that is unknown, by the first bytes.
func (c *content) kind() (string, error) {
	if kind := mime.TypeByExtension(path.Ext(c.name)); kind != "" {
		return kind, nil
	}
	var p [512]byte
	at, ok := c.file.(io.ReaderAt)
	if !ok {
		return typeBytes, nil
	}
	n, err := at.ReadAt(p[:min(c.size, int64(len(p)))], c.off)
	if err != nil && err != io.EOF {
		return "", err
	}
	return http.DetectContentType(p[:n]), nil
}

func (c *content) seekable() bool {
	_, ok := c.file.(io.Seeker)
	return ok
}

func (c *content) refuseRange(w http.ResponseWriter) error {
	clearEntity(w.Header())
	w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(c.size, 10))
	http.Error(w, http.StatusText(http.StatusRequestedRangeNotSatisfiable), http.StatusRequestedRangeNotSatisfiable)
	return nil
}

// send sends the spans, or all of c if there are none.
func (c *content) send(w http.ResponseWriter, r *http.Request, spans []span) error {
	h, n, status := w.Header(), c.size, http.StatusOK
	if len(spans) > 1 && h.Get("Content-Encoding") != "" {
		spans = nil // in the head of several parts, it would be the coding of them all
	}
	var parts *byteRanges
	switch {
	case len(spans) == 1:
		status, n = http.StatusPartialContent, spans[0].n
		h.Set("Content-Range", spans[0].contentRange(c.size))
	case len(spans) > 1:
		parts = newByteRanges(c, h.Get("Content-Type"), spans)
		status, n = http.StatusPartialContent, parts.length()
		h.Set("Content-Type", "multipart/byteranges; boundary="+parts.boundary)
	default:
		spans = []span{{0, c.size}}
	}
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	w.WriteHeader(status)
	var err error
	switch {
	case r.Method == http.MethodHead:
		return nil
	case parts != nil:
		err = parts.writeTo(w)
	default:
		err = c.copy(w, spans[0])
	}
	if err != nil {
		return begun{err}
	}
	return nil
}

// copy writes a part. The kernel sends it if w supports that. If the file has become shorter, copy returns
// io.ErrUnexpectedEOF.
func (c *content) copy(w io.Writer, s span) error {
	if s.n == 0 {
		return nil
	}
	if seeker, ok := c.file.(io.Seeker); ok {
		if _, err := seeker.Seek(c.off+s.off, io.SeekStart); err != nil {
			return err
		}
	}
	n, err := io.Copy(w, &io.LimitedReader{R: c.file, N: s.n})
	if err == nil && n < s.n {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// byteRanges is a multipart/byteranges body: RFC 9110 14.6.
type byteRanges struct {
	content  *content
	kind     string
	spans    []span
	boundary string
}

func newByteRanges(c *content, kind string, spans []span) *byteRanges {
	return &byteRanges{c, kind, spans, multipart.NewWriter(io.Discard).Boundary()}
}

func (b *byteRanges) length() int64 {
	var counted counter
	_ = b.write(&counted, func(_ io.Writer, s span) error {
		counted += counter(s.n)
		return nil
	})
	return int64(counted)
}

func (b *byteRanges) writeTo(w io.Writer) error { return b.write(w, b.content.copy) }

func (b *byteRanges) write(w io.Writer, part func(io.Writer, span) error) error {
	m := multipart.NewWriter(w)
	if err := m.SetBoundary(b.boundary); err != nil {
		return err
	}
	for _, s := range b.spans {
		_, err := m.CreatePart(textproto.MIMEHeader{
			"Content-Range": {s.contentRange(b.content.size)}, "Content-Type": {b.kind},
		})
		if err != nil {
			return err
		}
		if err := part(w, s); err != nil {
			return err
		}
	}
	return m.Close()
}

// counter counts the bytes that are written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// fileBody is the body of a Response with a file.
type fileBody struct{ content content }

func (b *fileBody) length() int64 { return b.content.size }
func (b *fileBody) close() error  { return b.content.file.Close() }

func (b *fileBody) send(w http.ResponseWriter, _ *http.Request, status int) error {
	w.WriteHeader(status)
	if err := b.content.copy(w, span{0, b.content.size}); err != nil {
		return begun{err}
	}
	return nil
}

// File returns a Response of the file at path, which it opens now. The type is that of the extension or, if that is
// unknown, detected from the first bytes. The reply has an ETag and a Last-Modified, derived from the modification time
// and the size, and supports Range and If-Range: several ranges produce a multipart reply; more than 16 or overlapping
// ones produce the whole file. The kernel sends the file where possible. If the file shrinks meanwhile, the reply is
// truncated.
//
// Do not pass File a path from a request; use [Files].
func File(path string) (Response, error) { return FileRegion(path, 0, -1) }

// FileRegion is File for n bytes from offset off, as if they were the whole file; a negative n means to the end. A
// region outside the file is an error; an empty one is not.
func FileRegion(path string, off, n int64) (Response, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // opening a named pipe would block
		return Response{}, cmp.Or(err, error(&fs.PathError{Op: "reply", Path: path, Err: errNotRegular}))
	}
	f, err := os.Open(path)
	if err != nil {
		return Response{}, err
	}
	b, err := newFileBody(f, off, n)
	if err != nil {
		_ = f.Close()
		return Response{}, &fs.PathError{Op: "reply", Path: path, Err: err}
	}
	return Response{body: b}, nil
}

var errNotRegular = errors.New("not a regular file")

func newFileBody(f *os.File, off, n int64) (*fileBody, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if n < 0 {
		n = info.Size() - off
	}
	if off < 0 || n < 0 || off > info.Size()-n {
		return nil, errors.New("region outside the file")
	}
	modified := info.ModTime()
	return &fileBody{content{f, off, n, f.Name(), modified, etagOf(modified, off, n)}}, nil
}
