package codec

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// NewStreamReader returns a Reader over src for a loop of your own, such as the engine of a protocol. [Reader.Begin]
// starts a message and sets the ctx that bounds all waits for it; [Reader.Commit] drops the message. Slices that Next,
// Peek, ReadUntil and Buffered lend stay valid between the two, even if a call waits. Such a loop needs no Codec.
func NewStreamReader(src chanio.ByteSource) *Reader {
	refuse(src == nil, "NewStreamReader: the ByteSource is nil")
	return &Reader{src: &keeper{src: src}, limit: noLimit}
}

// Begin starts a message and waits for its first byte. ctx bounds that wait and every other up to Commit. Begin returns
// io.EOF if the stream ends here. If the previous message was not committed, because its ctx ended or to read it again,
// Begin moves back to its first byte. It panics if the Reader is not from [NewStreamReader].
func (r *Reader) Begin(ctx context.Context) error {
	k, ok := r.src.(*keeper)
	refuse(!ok, "Reader.Begin: the Reader is not from NewStreamReader")
	k.between = true
	err := r.begin(ctx)
	k.between = false
	return err
}

// Commit ends the message. It drops the bytes read since Begin, and slices lent for it are no longer valid.
func (r *Reader) Commit() { r.end() }

// keeper is a ByteSource whose bytes do not move between two calls of Begin. It copies what src has buffered, and
// leaves it in src until it is discarded, so that src knows what is at hand.
type keeper struct {
	src     chanio.ByteSource
	buf     []byte // buf[pos:] are shown
	pos     int
	copied  int  // the last of them, which src still has
	between bool // nothing refers to buf
}

func (k *keeper) Buffered() []byte {
	k.copyNew()
	return k.buf[k.pos:]
}

// copyNew copies the bytes that src has and buf lacks.
func (k *keeper) copyNew() {
	fresh := k.src.Buffered()[k.copied:]
	shown := len(k.buf) - k.pos
	switch {
	case len(fresh) == 0:
		return
	case k.between && len(fresh) <= cap(k.buf)-shown:
		k.buf = k.buf[:copy(k.buf[:shown], k.buf[k.pos:])]
		k.pos = 0
	case len(fresh) > cap(k.buf)-len(k.buf): // lent slices refer to the old one
		k.buf = append(make([]byte, 0, max(2*(shown+len(fresh)), 1<<10)), k.buf[k.pos:]...)
		k.pos = 0
	}
	k.buf = append(k.buf, fresh...)
	k.copied += len(fresh)
}

func (k *keeper) Fill(ctx context.Context, n int) error {
	if k.between && k.pos == len(k.buf) {
		k.buf, k.pos = nil, 0 // one that waits holds no buffer
	}
	err := k.src.Fill(ctx, n)
	k.copyNew()
	return err
}

func (k *keeper) Discard(n int) {
	k.pos += n
	if beyond := k.copied - (len(k.buf) - k.pos); beyond > 0 {
		k.src.Discard(beyond)
		k.copied -= beyond
	}
}

func (k *keeper) Read(ctx context.Context, p []byte) (int, error) {
	if have := k.Buffered(); len(have) > 0 {
		n := copy(p, have)
		k.Discard(n)
		return n, nil
	}
	return k.src.Read(ctx, p)
}

func (k *keeper) Clone(p []byte) []byte { return k.src.Clone(p) }

// unread puts p in front.
func (k *keeper) unread(p []byte) { k.buf, k.pos = append(p, k.buf[k.pos:]...), 0 }
