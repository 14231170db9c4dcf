package stream

import (
	"context"
	"crypto/tls"
	"errors"
)

// plainKey is the context key of AnswerPlain.
type plainKey struct{}

// AnswerPlain returns a context for a server's handshake. If the peer does not speak TLS, answer is called with its
// first five bytes, and its result is sent in plain before the connection ends. answer is called at most once, in the
// goroutine of the handshake.
func AnswerPlain(ctx context.Context, answer func(first [5]byte) []byte) context.Context {
	return context.WithValue(ctx, plainKey{}, answer)
}

// answerPlain writes the answer if err reports that the peer's first bytes are not a handshake.
func (l *lower) answerPlain(ctx context.Context, err error) {
	var header tls.RecordHeaderError
	answer, _ := ctx.Value(plainKey{}).(func([5]byte) []byte)
	if answer != nil && errors.As(err, &header) && header.Conn != nil {
		_, _ = l.Write(answer(header.RecordHeader)) // into the buffer that sayWhy hands over
	}
}
