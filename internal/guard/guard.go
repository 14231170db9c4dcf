// Package guard calls user code from goroutines of the library. A panic or runtime.Goexit in it becomes an error;
// neither the process nor the goroutine ends.
package guard

import (
	"context"
	"log/slog"

	"github.com/weir-go/weir/chanio"
)

// Call calls f and returns nil, or a [*chanio.PanicError] if f did not return. f runs in a goroutine of its own, which
// Call waits for: that is the one way to survive runtime.Goexit.
func Call(f func()) error {
	return chanio.Race(context.Background(), func(context.Context) error {
		f()
		return nil
	})
}

// Logger returns a Logger that logs to log, whose handler's panics do nothing but lose the line. For nil it returns one
// that is silent.
func Logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	if _, ok := log.Handler().(handler); ok {
		return log
	}
	return slog.New(handler{log.Handler()})
}

// handler contains the panics of another one.
type handler struct{ slog.Handler }

func (h handler) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() { _ = recover() }()
	return h.Handler.Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, r slog.Record) (err error) {
	if panicked := Call(func() { err = h.Handler.Handle(ctx, r) }); panicked != nil {
		return panicked
	}
	return err
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.derive(func() slog.Handler { return h.Handler.WithAttrs(attrs) })
}

func (h handler) WithGroup(name string) slog.Handler {
	return h.derive(func() slog.Handler { return h.Handler.WithGroup(name) })
}

func (h handler) derive(f func() slog.Handler) slog.Handler {
	derived := h.Handler
	_ = Call(func() { derived = f() })
	return handler{derived}
}
