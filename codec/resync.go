package codec

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
)

// Resync is [Decode] with recovery from corrupt data. If c fails, it drops bytes up to the next occurrence of magic,
// with which every frame, as decoded by c, must start, and continues there. After dropping n bytes because of err, it
// calls skipped, if not nil, in the receiver's goroutine, before it returns the next value. Magic inside a frame is
// ignored unless the frame is corrupt. The stream ends and fails as that of Decode, including a truncated last frame.
//
// Resync takes time linear in the number of bytes, whatever the peer sends. If many frames in a row turn out to be
// corrupt only after far more bytes than are dropped for them, all examined bytes are dropped.
func Resync[T any](
	src *chanio.Source[[]byte], magic string, c Codec[T], skipped func(n int64, err error),
) *chanio.Source[T] {
	refuse(magic == "", "Resync: magic is empty")
	d := newDecoder("Resync", src, c)
	d.skipped = skipped
	if skipped == nil {
		d.skipped = func(int64, error) {}
	}
	d.magic = newDelimiters("Resync", magic, nil)
	return d.source("codec.Resync")
}

// maxDebt is the number of bytes that may be examined, beyond those dropped, before all examined bytes are dropped.
// Each dropped byte pays for debtShare of them.
const (
	maxDebt   = 1 << 20
	debtShare = 8
)

// loss is what Resync knows of the bytes that it is dropping.
type loss struct {
	err     error // why, or nil if it is dropping none
	from    int   // how many of the next bytes cannot be the start of a frame
	dropped int64
}

// lose starts a skip: what follows is not the frame that err is about.
func (d *decoder[T]) lose(err error) {
	r := &d.r
	looked := max(r.skew+r.pos, r.reach) // by the decoder
	if r.held != nil {
		r.flatten() // a large body is searched as well
	}
	d.debt += int64(looked)
	d.lost = loss{err: err, from: 1}
	if d.debt > maxDebt {
		d.lost.from = max(looked, 1)
	}
}

// skip drops bytes up to the next magic after the first byte of the frame that was lost. If ctx ends, the next call goes
// on where it was.
func (d *decoder[T]) skip(ctx context.Context) error {
	r, lost := &d.r, &d.lost
	for {
		r.rewind()
		r.ctx = ctx
		at, width := d.magic.find(r.buf, min(lost.from, r.have), false)
		lost.dropped += int64(at)
		lost.from -= min(lost.from, at)
		r.src.Discard(at)
		r.start += int64(at)
		if width == 0 {
			end := r.fill(1)
			if end == nil {
				continue
			}
			if end != io.EOF || len(r.src.Buffered()) == 0 {
				if !chanio.Resumable(ctx, end) {
					d.found()
				}
				return d.up.Fail(ctx, end)
			}
		}
		d.found() // a magic, or the start of one at the end of the stream
		return nil
	}
}

// found ends a skip.
func (d *decoder[T]) found() {
	lost := d.lost
	d.lost = loss{}
	d.debt = max(d.debt-debtShare*lost.dropped, 0)
	d.skipped(lost.dropped, lost.err)
}
