package httpd

import (
	"io"
	"net/http"
	"os"

	"github.com/weir-go/weir/chanio"
)

// sendfileFrom is the length from which a part of a file is sent by the kernel.
const sendfileFrom = 16 << 10

// ReadFrom copies src into the body. The kernel sends a part of a regular file if the length of the body is known and
// the connection supports that.
func (w *response) ReadFrom(src io.Reader) (n int64, err error) {
	if f, limit, size := fileOf(src); size >= sendfileFrom {
		if n, err = w.sendFile(f, size); limit != nil {
			limit.N -= n
		}
		if err != nil {
			return n, err
		}
	}
	m, err := io.Copy(onlyWriter{w}, src)
	return n + m, err
}

// onlyWriter hides ReadFrom.
type onlyWriter struct{ io.Writer }

// fileOf returns the regular file that src reads, its limit, if any, and the number of bytes to read. For anything else
// size is 0.
func fileOf(src io.Reader) (f *os.File, limit *io.LimitedReader, size int64) {
	if limit, _ = src.(*io.LimitedReader); limit != nil {
		src = limit.R
	}
	f, ok := src.(*os.File)
	if !ok {
		return nil, nil, 0
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil, 0
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, nil, 0
	}
	size = info.Size() - at
	if limit != nil {
		size = min(size, limit.N)
	}
	return f, limit, size
}

// sendFile sends size bytes of f from its position, which it advances, if they fit the declared length of the body.
// Otherwise it does nothing.
func (w *response) sendFile(f *os.File, size int64) (n int64, err error) {
	if err := w.admit(0); err != nil {
		return 0, err
	}
	if w.isHead || !bodyAllowed(w.status) || w.length < w.written+size || w.plan.hasTransfer || !w.plan.hasType {
		return 0, nil
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if err := w.flushKept(); err != nil {
		return 0, err
	}
	w.release()
	n, err = chanio.Transfer(w.conn.io, chanio.FromFile(f, at, size), w.conn.nc.Out)
	w.written += n
	w.conn.writer.Passed(n)
	if _, failure := f.Seek(at+n, io.SeekStart); err == nil {
		err = failure
	}
	return n, err
}

var _ interface {
	http.ResponseWriter
	http.Flusher
	http.Hijacker
	io.ReaderFrom
	io.StringWriter
} = (*response)(nil)
