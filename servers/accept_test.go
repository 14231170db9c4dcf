package servers

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// shortage is a net.Listener that fails temporarily.
type shortage struct {
	net.Listener
	err      error
	fails    int // attempts that fail before one succeeds
	attempts int
}

func (s *shortage) Accept() (net.Conn, error) {
	if s.attempts++; s.attempts <= s.fails {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", s.err)}
	}
	near, _ := net.Pipe()
	return near, nil
}

func (s *shortage) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (s *shortage) acceptor(log io.Writer) *acceptor {
	a := &acceptor{}
	a.init(s, s.Addr(), make(chan struct{}), slog.New(slog.NewTextHandler(log, nil)))
	return a
}

func TestAcceptBacksOffWhileDescriptorsAreShort(t *testing.T) {
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		synctest.Test(t, func(t *testing.T) {
			s := &shortage{err: err, fails: 12}
			var log strings.Builder
			start := time.Now()
			_, err := s.acceptor(&log).accept(t.Context())
			require.NoError(t, err)
			// 5, 10, 20 ... 640 ms, then 1 s each
			require.Equal(t, 5*time.Millisecond*(1<<8-1)+4*time.Second, time.Since(start))
			require.Equal(t, 13, s.attempts)
			require.Equal(t, 1, strings.Count(log.String(), "\n"))
			require.Contains(t, log.String(), "cannot accept for now")
		})
	}
}

func TestAcceptLogsOnceWhileTroubleLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shortage{err: syscall.EMFILE}
		var log strings.Builder
		a := s.acceptor(&log)
		for range 5 { // each one succeeds at the second attempt
			s.attempts, s.fails = 0, 1
			_, err := a.accept(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, 1, strings.Count(log.String(), "\n"))
		time.Sleep(2 * time.Minute) // until calm has passed
		s.attempts, s.fails = 0, 1
		_, err := a.accept(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(log.String(), "\n"))
	})
}

func TestBackOffEndsWithItsContextAndWithTheListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shortage{err: syscall.EMFILE, fails: 1 << 30}
		reason := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, reason)
		defer cancel()
		_, err := s.acceptor(io.Discard).accept(ctx)
		require.Equal(t, reason, err)
		require.Less(t, s.attempts, 20)

		a := s.acceptor(io.Discard)
		closing := make(chan struct{})
		a.closing = closing
		time.AfterFunc(time.Second, func() { close(closing) })
		_, err = a.accept(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

func TestAcceptReturnsAnErrorThatStays(t *testing.T) {
	s := &shortage{err: syscall.EBADF, fails: 1 << 30}
	var log strings.Builder
	_, err := s.acceptor(&log).accept(t.Context())
	require.ErrorIs(t, err, syscall.EBADF)
	require.Equal(t, 1, s.attempts)
	require.Empty(t, log.String())
}

// The end of a ctx is no failure of accept, although context.DeadlineExceeded calls itself temporary.
func TestAnAcceptWhoseTimeIsUpIsNoTemporaryFailure(t *testing.T) {
	for _, under := range []string{"tcp", "unix"} {
		addr := "127.0.0.1:0"
		if under == "unix" {
			addr = filepath.Join(t.TempDir(), "s")
		}
		nl, err := net.Listen(under, addr)
		require.NoError(t, err)
		defer nl.Close()
		var log strings.Builder
		var a acceptor
		a.init(nl, nl.Addr(), make(chan struct{}), slog.New(slog.NewTextHandler(&log, nil)))
		failures := 0
		a.failed = func(error) { failures++ }
		for _, wait := range []time.Duration{-time.Second, time.Millisecond} { // before and during the accept
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			_, err = a.accept(ctx)
			cancel()
			require.Equal(t, context.DeadlineExceeded, err)
		}
		require.Zero(t, failures)
		require.Empty(t, log.String())
	}
}
