package codec

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// NewStreamReader returns a Reader over src for a loop of your own, such as the engine of a protocol: [Reader.Begin]
// starts a message and bounds all waiting for it by one ctx, [Reader.Commit] drops it. Between the two, what Next,
// Peek, ReadUntil and Buffered lend stays valid, whatever is waited for. Where no Codec is to be called, that is all
// there is.
func NewStreamReader(src chanio.ByteSource) *Reader {
	return &Reader{src: &keeper{src: src}, limit: noLimit}
}

// Begin starts a message, and waits for its first byte. ctx bounds that and every wait until Commit. It returns io.EOF if
// the stream ends here. If the message before was not committed, because ctx ended or what follows is to be read again,
// Begin moves back to its first byte. It is for a Reader of [NewStreamReader].
func (r *Reader) Begin(ctx context.Context) error {
	k, ok := r.src.(*keeper)
	refuse(!ok, "Reader.Begin: the Reader is not from NewStreamReader")
	k.between = true
	err := r.begin(ctx)
	k.between = false
	return err
}

// Commit ends the message: what was read since Begin is dropped, and nothing that was lent for it is valid any more.
func (r *Reader) Commit() { r.end() }

// keeper is a ByteSource whose bytes stay where they are from one Begin to the next. What it shows is a copy of what src
// has buffered, where they remain until they are discarded, so that src knows what is at hand.
type keeper struct {
	src     chanio.ByteSource
	buf     []byte // buf[pos:] are shown
	pos     int
	copied  int  // the last of them, which src still has
	between bool // nobody refers to buf
}

func (k *keeper) Buffered() []byte {
	k.copyNew()
	return k.buf[k.pos:]
}

// copyNew copies what src has that buf has not.
func (k *keeper) copyNew() {
	fresh := k.src.Buffered()[k.copied:]
	shown := len(k.buf) - k.pos
	switch {
	case len(fresh) == 0:
		return
	case k.between && len(fresh) <= cap(k.buf)-shown:
		k.buf = k.buf[:copy(k.buf[:shown], k.buf[k.pos:])]
		k.pos = 0
	case len(fresh) > cap(k.buf)-len(k.buf): // what was lent lies in the old one
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
