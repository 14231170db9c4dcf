package stream

import "context"

// Package chanio documents these interfaces, and exports them under the same names.
type (
	// ByteSource is a window on a stream of bytes. It is for one goroutine at a time.
	ByteSource interface {
		Buffered() []byte
		Fill(ctx context.Context, n int) error
		Discard(n int)
		Read(ctx context.Context, p []byte) (int, error)
		Clone(p []byte) []byte
	}

	// ByteSink takes a stream of bytes, whole values at a time, from any goroutine.
	ByteSink interface {
		Begin() []byte
		End(ctx context.Context, scratch, body []byte) error
		TryEnd(scratch, body []byte) (bool, error)
	}

	// TryFiller is an optional interface of a ByteSource that takes its bytes from elsewhere.
	TryFiller interface {
		TryFill() (ok bool, err error)
	}

	// RawSource is an optional interface of a ByteSource that reads a descriptor.
	RawSource interface {
		ReadRaw(ctx context.Context, read RawFunc) (n int, err error)
	}

	// RawSink is an optional interface of a ByteSink that writes a descriptor.
	RawSink interface {
		WriteRaw(ctx context.Context, write RawFunc) (n int, err error)
	}

	// RawFunc performs one system call on a descriptor that does not block.
	RawFunc func(fd uintptr) (n int, again bool, err error)
)
