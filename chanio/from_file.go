package chanio

import (
	"fmt"
	"io"
	"math"
	"os"
)

// FileSource is an optional interface of a [ByteSource] over a file. It lets code such as [Transfer] have the kernel
// send the bytes.
type FileSource interface {
	// Section returns the file and the range of its bytes that are still to come, not counting buffered ones.
	Section() (f *os.File, off, n int64)

	// Skip records that the next n bytes of the section have been moved by other means.
	Skip(n int64)
}

// FromFile returns a Source of n bytes of f from offset off; a negative n means to the end of the file. It neither uses
// nor changes the file's position, so several Sources may share one file. If the file ends before n bytes, the stream
// fails with io.ErrUnexpectedEOF. On Linux, [Transfer] sends a regular file to a connection by sendfile.
//
// The caller still owns f; closers are as for [FromReader].
func FromFile(f *os.File, off, n int64, closers ...func() error) *Source[[]byte] {
	if f == nil {
		panic("chanio: FromFile: f is nil")
	}
	if off < 0 {
		panic(fmt.Sprintf("chanio: FromFile: off must be at least 0, got %d", off))
	}
	r := &fileReader{f: f, off: off, whole: n < 0}
	if r.whole {
		n = math.MaxInt64 - off
	}
	r.section = io.NewSectionReader(f, off, n)
	s := &fileSource{readerSource: newReaderSource(r, closers), file: r}
	return newReaderStream("chanio.FromFile", s.readerSource, s)
}

// fileSource is a readerSource over a section of a file.
type fileSource struct {
	*readerSource
	file *fileReader
}

func (s *fileSource) Section() (f *os.File, off, n int64) {
	at := s.file.at()
	return s.file.f, s.file.off + at, s.file.section.Size() - at
}

func (s *fileSource) Skip(n int64) { _, _ = s.file.section.Seek(n, io.SeekCurrent) }

// fileReader reads a section of a file.
type fileReader struct {
	f       *os.File
	off     int64
	whole   bool // the section ends where the file does
	section *io.SectionReader
}

// at returns the position in the section. Seeking to the present position does not fail.
func (r *fileReader) at() int64 {
	n, _ := r.section.Seek(0, io.SeekCurrent)
	return n
}

func (r *fileReader) Read(p []byte) (int, error) {
	n, err := r.section.Read(p)
	if err == io.EOF && !r.whole && r.at() < r.section.Size() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
