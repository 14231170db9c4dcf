//go:build unix

package stream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/memconn"
	"github.com/weir-go/weir/internal/stream"
)

// writing is a RawFunc that writes p.
func writing(p *[]byte) stream.RawFunc {
	return func(fd uintptr) (int, bool, error) {
		n, err := syscall.Write(int(fd), *p)
		if err == syscall.EAGAIN {
			return 0, true, nil
		}
		n = max(n, 0)
		*p = (*p)[n:]
		return n, err == nil && len(*p) > 0, err
	}
}

// reading is a RawFunc that reads once into p.
func reading(p []byte) stream.RawFunc {
	return func(fd uintptr) (int, bool, error) {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EAGAIN:
			return 0, true, nil
		case n == 0:
			return 0, false, io.EOF
		}
		return max(n, 0), false, err
	}
}

func TestARawWriteComesAfterWhatWasAcceptedAndBeforeWhatIsNot(t *testing.T) {
	p, q := tcpPair(t)
	x, y := stream.New(p, config(nil)), stream.New(q, config(nil))
	defer y.Abort(nil)
	x.Out.Cork(true)
	require.NoError(t, x.Out.Send(bg, []byte("before ")))
	raw := data(20 << 20)
	rest := raw
	sent := make(chan error, 2)
	write := writing(&rest)
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	go func() {
		n, err := x.Out.WriteRaw(bg, func(fd uintptr) (int, bool, error) {
			begin()
			return write(fd)
		})
		if n != len(raw) {
			err = errors.New("not all was written")
		}
		sent <- err
	}()
	<-begun
	go func() { sent <- x.Out.Send(bg, data(100<<10)) }()
	closed := make(chan error, 1)
	go func() {
		if err := errors.Join(<-sent, <-sent); err != nil {
			closed <- err
			return
		}
		closed <- x.Out.Close()
	}()
	got, err := readAll(y)
	require.NoError(t, err)
	require.NoError(t, <-closed)
	want := append(append([]byte("before "), raw...), data(100<<10)...)
	require.True(t, bytes.Equal(want, got), "%d of %d", len(got), len(want))
	require.EqualValues(t, len(want), x.BytesOut())
}

func TestARawWriteThatIsCancelledSaysHowFarItCame(t *testing.T) {
	p, q := tcpPair(t)
	x, y := stream.New(p, config(nil)), stream.New(q, config(nil))
	defer y.Abort(nil)
	raw := data(20 << 20)
	rest := raw
	ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
	defer cancel()
	n, err := x.Out.WriteRaw(ctx, writing(&rest))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, len(raw)-len(rest), n)
	require.NoError(t, x.Out.Send(bg, []byte("the stream lives")))
	go x.Out.Close()
	got, err := readAll(y)
	require.NoError(t, err)
	require.True(t, bytes.Equal(append(bytes.Clone(raw[:n]), "the stream lives"...), got))
	_, err = x.Out.WriteRaw(bg, writing(&rest))
	require.Error(t, err)
}

func TestARawRead(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(p, config(nil))
	buf := make([]byte, 100)
	ctx, cancel := context.WithTimeout(bg, 20*time.Millisecond)
	defer cancel()
	_, err := x.In.ReadRaw(ctx, reading(buf))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = q.Write([]byte("hello"))
	require.NoError(t, err)
	n, err := x.In.ReadRaw(bg, reading(buf))
	require.NoError(t, err)
	require.Equal(t, "hello", string(buf[:n]))
	require.EqualValues(t, 5, x.BytesIn())

	_, err = q.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, x.In.Fill(bg, 1))
	_, err = x.In.ReadRaw(bg, reading(buf))
	require.ErrorIs(t, err, errors.ErrUnsupported, "bytes are buffered")
	x.In.Discard(5)
	_, err = x.In.ReadRaw(bg, func(uintptr) (int, bool, error) { return 0, false, errors.ErrUnsupported })
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.True(t, x.In.Ending().Open())
	require.NoError(t, q.CloseWrite())
	_, err = x.In.ReadRaw(bg, reading(buf))
	require.Equal(t, io.EOF, err)
	require.False(t, x.In.Ending().Open())
	require.NoError(t, x.In.Ending().Err())
	require.NoError(t, x.Close())
}

func TestRawCallsNeedADescriptor(t *testing.T) {
	a, _ := memconn.Pipe(0)
	x := stream.New(a, config(nil))
	defer x.Abort(nil)
	_, err := x.In.ReadRaw(bg, reading(nil))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = x.Out.WriteRaw(bg, writing(new([]byte)))
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestAPanicInARawCallEndsTheStreamAndGoesOn(t *testing.T) {
	for _, write := range []bool{false, true} {
		p, q := tcpPair(t)
		x := stream.New(p, config(nil))
		_, err := q.Write([]byte("a"))
		require.NoError(t, err)
		panics := func(uintptr) (int, bool, error) { panic("of the user") }
		require.PanicsWithValue(t, "of the user", func() {
			if write {
				_, _ = x.Out.WriteRaw(bg, panics)
			} else {
				_, _ = x.In.ReadRaw(bg, panics)
			}
		})
		<-x.Released()
		require.ErrorContains(t, x.Out.Ending().Err(), "of the user")
		require.ErrorContains(t, x.In.Ending().Err(), "of the user")
		require.ErrorContains(t, x.Out.Send(bg, []byte("x")), "of the user")
	}
}

func TestAnErrorOfARawCallEndsItsHalf(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(p, config(nil))
	_, err := x.Out.WriteRaw(bg, func(uintptr) (int, bool, error) { return 0, false, errTest })
	require.ErrorIs(t, err, errTest)
	require.ErrorIs(t, x.Out.Send(bg, []byte("x")), errTest)
	_, err = q.Write([]byte("a"))
	require.NoError(t, err)
	_, err = x.In.Next(bg)
	require.NoError(t, err)
	_, err = q.Write([]byte("a"))
	require.NoError(t, err)
	_, err = x.In.ReadRaw(bg, func(uintptr) (int, bool, error) { return 0, false, os.ErrInvalid })
	require.ErrorIs(t, err, os.ErrInvalid)
	_, err = x.In.Next(bg)
	require.ErrorIs(t, err, os.ErrInvalid)
	<-x.Released()
}

func TestAUnixSocketOfBytesAloneIsReadRaw(t *testing.T) {
	raw := func(nc net.Conn) (int, error) {
		s := stream.New(nc, config(nil))
		defer s.Abort(nil)
		return s.In.ReadRaw(bg, func(uintptr) (int, bool, error) { return 3, false, nil })
	}
	a, _ := unixPair(t)
	n, err := raw(a)
	require.NoError(t, err)
	require.Equal(t, 3, n)

	ln, err := net.Listen("unixpacket", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Skip("no unixpacket here: ", err)
	}
	packets, _ := dialled(t, ln)
	_, err = raw(packets)
	require.ErrorIs(t, err, errors.ErrUnsupported, "a message that is read in part has lost the rest")
}

// TestG18ARawReadThatWaitsAtEndInLosesNothing holds that what has arrived at the time of EndIn is read, also if a raw
// read was about to wait.
func TestG18ARawReadThatWaitsAtEndInLosesNothing(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(p, config(nil))
	defer x.Abort(nil)
	defer func() { _ = q.Close() }()
	why := errors.New("finish")
	calls := 0
	_, err := x.In.ReadRaw(bg, func(fd uintptr) (int, bool, error) {
		if calls++; calls > 1 {
			var b [8]byte
			n, err := syscall.Read(int(fd), b[:])
			return n, false, err
		}
		_, err := q.Write([]byte("last"))
		require.NoError(t, err)
		x.EndIn(why)
		return 0, true, nil // nothing had arrived when it looked
	})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	got, err := x.In.Next(bg)
	require.NoError(t, err)
	require.Equal(t, "last", string(got))
	_, err = x.In.Next(bg)
	require.Equal(t, why, err)
}
