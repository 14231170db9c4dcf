package stream

import (
	"context"
	"crypto/tls"
	"errors"
)

// plainKey is the key of what [AnswerPlain] adds to a context.
type plainKey struct{}

// AnswerPlain returns the context of a server's handshake that answers a peer which does not speak TLS: answer gets the
// first five bytes that came, and what it returns is sent, in plain, before the connection ends. It is called at most
// once, by the goroutine of the handshake.
func AnswerPlain(ctx context.Context, answer func(first [5]byte) []byte) context.Context {
	return context.WithValue(ctx, plainKey{}, answer)
}

// answerPlain writes the answer to a peer whose first bytes are no handshake, of which err tells.
func (l *lower) answerPlain(ctx context.Context, err error) {
	var header tls.RecordHeaderError
	answer, _ := ctx.Value(plainKey{}).(func([5]byte) []byte)
	if answer != nil && errors.As(err, &header) && header.Conn != nil {
		_, _ = l.Write(answer(header.RecordHeader)) // into the buffer that sayWhy hands over
	}
}
