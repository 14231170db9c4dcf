package guard

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestWhatDoesNotReturnIsAnError(t *testing.T) {
	called := false
	require.NoError(t, Call(func() { called = true }))
	require.True(t, called)
	var panicked *chanio.PanicError
	require.ErrorAs(t, Call(func() { panic("boom") }), &panicked)
	require.Equal(t, "boom", panicked.Value)
	require.Contains(t, string(panicked.Stack), "TestWhatDoesNotReturnIsAnError")
	require.ErrorAs(t, Call(runtime.Goexit), &panicked)
	require.Nil(t, panicked.Value)
}

// broken panics in every method.
type broken struct{ slog.Handler }

func (broken) Enabled(context.Context, slog.Level) bool  { panic("enabled") }
func (broken) WithAttrs([]slog.Attr) slog.Handler        { panic("attrs") }
func (broken) WithGroup(string) slog.Handler             { panic("group") }
func (broken) Handle(context.Context, slog.Record) error { panic("handle") }

// quitting ends the goroutine that it is called in.
type quitting struct{ slog.Handler }

func (quitting) Enabled(context.Context, slog.Level) bool { return true }
func (quitting) Handle(context.Context, slog.Record) error {
	runtime.Goexit()
	return nil
}

func TestALoggersPanicsAreContained(t *testing.T) {
	require.NotPanics(t, func() { Logger(slog.New(broken{})).With("a", 1).WithGroup("g").Info("lost") })
	returned := false
	Logger(slog.New(quitting{slog.DiscardHandler})).Info("lost")
	returned = true
	require.True(t, returned)
}

// failing cannot write.
type failing struct{ slog.Handler }

func (failing) Handle(context.Context, slog.Record) error { return io.ErrShortWrite }

func TestALoggersErrorsArePassedOn(t *testing.T) {
	h := Logger(slog.New(failing{slog.DiscardHandler})).Handler()
	require.ErrorIs(t, h.Handle(t.Context(), slog.Record{}), io.ErrShortWrite)
	h = Logger(slog.New(broken{})).Handler()
	require.ErrorAs(t, h.Handle(t.Context(), slog.Record{}), new(*chanio.PanicError))
}

func TestALoggerLogsAsBefore(t *testing.T) {
	var buf bytes.Buffer
	plain := slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelWarn}))
	log := Logger(plain)
	require.Equal(t, log, Logger(log), "once is enough")
	log.With("a", 1).WithGroup("g").Warn("hello", "b", 2)
	log.Info("below the level")
	require.Contains(t, buf.String(), "level=WARN msg=hello a=1 g.b=2\n")
	require.NotContains(t, buf.String(), "below")
	Logger(nil).Error("silent")
}
