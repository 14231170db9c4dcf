package codec

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Resync is [Decode] that goes on after garbage: where c fails it drops bytes up to the next occurrence of magic, with
// which every frame begins and c too, and decodes again from there. Each time it has dropped n bytes because of err,
// skipped is told, in the goroutine of the receiver, before the next value is returned; skipped may be nil. What magic
// looks like within a frame is not taken for one unless the frame was wrong. The end of the stream and its failures are
// those of Decode; a last frame cut short is one too.
//
// The work is linear in the bytes, whatever a peer sends: where frame after frame turns out to be wrong only after many
// more bytes than are dropped for it, the bytes that were looked at are dropped as a whole.
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

// maxDebt is how many bytes may be looked at without a find beyond those dropped, and debtShare how many for each that is.
const (
	maxDebt   = 1 << 20
	debtShare = 8
)

// skip drops bytes up to the next magic after the first byte of the frame that err is about.
func (d *decoder[T]) skip(ctx context.Context, err error) error {
	r := &d.r
	looked := max(r.skew+r.pos, r.reach) // by the decoder
	if r.held != nil {
		r.flatten() // what a large body took is looked through as well
	}
	d.debt += int64(looked)
	from := 1
	if d.debt > maxDebt {
		from = max(looked, 1)
	}
	dropped := int64(0)
	for {
		r.rewind()
		at, width := d.magic.find(r.buf, min(from, r.have), false)
		dropped += int64(at)
		from -= min(from, at)
		r.src.Discard(at)
		r.start += int64(at)
		if width > 0 {
			d.debt = max(d.debt-debtShare*dropped, 0)
			d.skipped(dropped, err)
			return nil
		}
		if end := r.fill(1); end != nil {
			d.skipped(dropped, err)
			return d.up.Fail(ctx, end)
		}
	}
}
