package http1

import (
	"context"
	"errors"
	"strconv"

	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/stream"
)

// Errors of a body that does not fit its head.
var (
	ErrBodyTooLong  = errors.New("http: body longer than its Content-Length")
	ErrBodyTooShort = errors.New("http: body shorter than its Content-Length")
	ErrNoBody       = errors.New("http: message without a body")
)

// inPlace is the length from which a piece of a body is written in place instead of being copied after its head.
const inPlace = 4 << 10

// Writer frames the body of one message. A connection keeps one and resets it for every message. One goroutine at a
// time may use it, and nothing else may write to its sink between Reset and Finish.
//
// Every method takes scratch, which the caller got from Begin of the sink and to which it has appended what is written
// first, such as a head; nil means nothing. The method consumes scratch, whatever the result.
type Writer struct {
	sink    stream.ByteSink
	framing Framing
	left    int64 // of a Sized body
	owed    bool  // the CRLF after a chunk has not been written, because ctx ended
}

// Reset prepares for a body that the head has announced.
func (w *Writer) Reset(sink stream.ByteSink, framing Framing) {
	w.sink, w.framing, w.left, w.owed = sink, framing, framing.Length, false
}

// Left returns how much of a Sized body has not been written.
func (w *Writer) Left() int64 { return w.left }

// Passed counts n bytes of a body that is not chunked, which the caller has written to the sink directly.
func (w *Writer) Passed(n int64) { w.left -= n }

// Write writes scratch and, framed, the piece p. An empty p writes scratch alone. If p does not fit what was announced,
// or ctx ends before there is room, nothing is written and the piece is still to come.
func (w *Writer) Write(ctx context.Context, scratch, p []byte) error {
	if err := w.admit(len(p)); err != nil {
		return err
	}
	return w.put(ctx, scratch, p, "")
}

// Finish writes scratch, a last piece, which may be empty, and the end of the body. trailers are field lines, each with
// its CRLF, for a Chunked body; other bodies cannot have them. A Sized body that is not complete is ErrBodyTooShort,
// after what there was has been written: the connection must then be cut.
func (w *Writer) Finish(ctx context.Context, scratch, p, trailers []byte) error {
	if err := w.admit(len(p)); err != nil {
		return err
	}
	if w.framing.Kind == Chunked {
		return w.finishChunked(ctx, scratch, p, trailers)
	}
	if len(scratch)+len(p) > 0 {
		if err := w.put(ctx, scratch, p, ""); err != nil {
			return err
		}
	}
	if w.framing.Kind == Sized && w.left > 0 {
		return ErrBodyTooShort
	}
	return nil
}

func (w *Writer) finishChunked(ctx context.Context, scratch, p, trailers []byte) error {
	if len(trailers) == 0 {
		return w.put(ctx, scratch, p, "0\r\n\r\n")
	}
	if len(p) > 0 {
		if err := w.put(ctx, scratch, p, ""); err != nil {
			return err
		}
		scratch = nil
	}
	owed := w.owed
	scratch = append(w.begin(scratch), "0\r\n"...)
	scratch = append(scratch, trailers...)
	return w.sent(owed, 0, w.sink.End(ctx, append(scratch, "\r\n"...), nil))
}

// admit counts n bytes of a body.
func (w *Writer) admit(n int) error {
	switch {
	case n == 0:
	case w.framing.Kind == NoBody:
		return ErrNoBody
	case w.framing.Kind == Sized && int64(n) > w.left:
		return ErrBodyTooLong
	case w.framing.Kind == Sized:
		w.left -= int64(n)
	}
	return nil
}

// put writes scratch, p as it is framed, and end, which is for chunked bodies only.
func (w *Writer) put(ctx context.Context, scratch, p []byte, end string) error {
	owed := w.owed
	scratch = w.begin(scratch)
	chunked := w.framing.Kind == Chunked && len(p) > 0
	if chunked {
		scratch = strconv.AppendInt(scratch, int64(len(p)), 16)
		scratch = append(scratch, "\r\n"...)
	}
	if len(p) < inPlace {
		scratch = append(scratch, p...)
		if chunked {
			scratch = append(scratch, "\r\n"...)
		}
		return w.sent(owed, len(p), w.sink.End(ctx, append(scratch, end...), nil))
	}
	if err := w.sent(owed, len(p), w.sink.End(ctx, scratch, p)); err != nil || !chunked {
		return err
	}
	w.owed = true
	return w.settle(ctx, end)
}

// settle writes the end of a chunk. If ctx ends before there is room, the data of the chunk stay accepted, and the next
// write starts with the end.
func (w *Writer) settle(ctx context.Context, end string) error {
	err := w.sink.End(ctx, append(w.begin(nil), end...), nil)
	if err != nil && end == "" && ctx.Err() != nil && deadline.Resumable(ctx, err) {
		w.owed = true
		return nil
	}
	return err
}

// begin returns scratch with the end of a chunk that is owed.
func (w *Writer) begin(scratch []byte) []byte {
	if scratch == nil {
		scratch = w.sink.Begin()
	}
	if w.owed {
		w.owed = false
		scratch = append(scratch, "\r\n"...)
	}
	return scratch
}

// sent records whether n bytes of a body, and what was owed in front of them, have been accepted.
func (w *Writer) sent(owed bool, n int, err error) error {
	w.owed = owed && err != nil
	if err != nil {
		w.left += int64(n)
	}
	return err
}
