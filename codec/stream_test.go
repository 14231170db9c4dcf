package codec_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// onEachNetwork runs f over the in-memory network and over TCP.
func onEachNetwork(t *testing.T, f func(t *testing.T, a, b *chanio.Conn)) {
	t.Run("memory", func(t *testing.T) {
		a, b := chanio.Pipe()
		defer b.Out.Abort(nil)
		defer a.Out.Abort(nil)
		f(t, a, b)
	})
	t.Run("tcp", func(t *testing.T) {
		a, b := tcpPair(t)
		defer b.Out.Abort(nil)
		defer a.Out.Abort(nil)
		f(t, a, b)
	})
}

func tcpPair(t testing.TB) (a, b *chanio.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	accepted, err := ln.Accept()
	require.NoError(t, err)
	return chanio.NewConn(dialled, nil), chanio.NewConn(accepted, nil)
}

var text = codec.Prefixed(codec.Uint32, codec.String)

func TestFrameCarriesValuesBothWays(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		left, right := codec.Frame(a, text), codec.Frame(b, text)
		for _, s := range []string{"", "hello", strings.Repeat("x", 100_000)} {
			require.NoError(t, left.Out.Send(t.Context(), s))
			got, err := right.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, s, got)
			require.NoError(t, right.Out.Send(t.Context(), got+"!"))
			got, err = left.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, s+"!", got)
		}
		require.NoError(t, left.Out.Close())
		_, err := right.In.Recv(t.Context())
		require.Equal(t, io.EOF, err)
		require.NoError(t, right.Close())
		require.NoError(t, left.Close())
		<-a.Done()
		<-b.Done()
	})
}

func TestG2CancelWithinAFrameThatComesByteByByte(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		in := codec.Decode(b.In, codec.Prefixed(codec.Uint16, codec.Prefixed(codec.Uint16, codec.Lines)))
		frame := []byte("\x00\x08\x00\x06hello\n")
		for i := range frame {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := in.Recv(ctx)
				done <- err
			}()
			require.NoError(t, a.Out.Send(t.Context(), frame[i:i+1]))
			if i == len(frame)-1 {
				if err := <-done; err == nil {
					cancel()
					return
				}
			}
			require.NoError(t, a.Out.Flush(t.Context()))
			cancel()
			if i < len(frame)-1 {
				require.ErrorIs(t, <-done, context.Canceled)
			}
		}
	})
}

func TestG2AfterACancelTheFrameComesWhole(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 6000)
	frames := map[string]string{"small": "hello", "read without the buffer": body}
	for name, want := range frames {
		t.Run(name, func(t *testing.T) {
			onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
				c := codec.Map(codec.Prefixed(codec.Uint32, codec.Prefixed(codec.Uint32, codec.RawString)), same, same)
				in := codec.Decode(b.In, c)
				frame, err := codec.Marshal(c, want)
				require.NoError(t, err)
				require.NoError(t, a.Out.Send(t.Context(), frame[:len(frame)/2]))
				for range 5 {
					ctx, cancel := context.WithCancel(t.Context())
					waiting := make(chan struct{}, 1)
					go func() { <-waiting; cancel() }()
					waiting <- struct{}{}
					_, err = in.Recv(ctx)
					require.ErrorIs(t, err, context.Canceled)
				}
				go func() { _ = a.Out.Send(context.Background(), append(frame[len(frame)/2:], frame...)) }()
				for range 2 {
					got, err := in.Recv(t.Context())
					require.NoError(t, err)
					require.True(t, want == got)
				}
			})
		})
	}
}

func same(s string) (string, error) { return s, nil }

func TestG14ALengthOf4GiB(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		d := codec.Frame(b, text)
		require.NoError(t, a.Out.Send(t.Context(), []byte("\x00\x00\x00\x02hi\xff\xff\xff\xffxyz")))
		got, err := d.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hi", got)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = d.In.Recv(t.Context())
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
		var wrong *codec.Error
		require.ErrorAs(t, err, &wrong)
		require.ErrorIs(t, err, codec.ErrTooLarge)
		require.Equal(t, int64(6), wrong.Offset)
		require.Contains(t, err.Error(), "limit of 16777216")
		require.Equal(t, err, d.In.Err())

		// A clean end: the other side can still send a last message.
		require.NoError(t, d.Out.Send(t.Context(), "too large"))
		require.NoError(t, a.Out.Close())
		require.NoError(t, d.Close())
		reply, err := codec.Decode(a.In, text).Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "too large", reply)
		<-b.Done()
	})
}

func TestG14HeadersThatClaimMuchHoldLittle(t *testing.T) {
	const n = 200
	var conns [n][2]*chanio.Conn
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range conns {
		a, b := chanio.Pipe()
		conns[i] = [2]*chanio.Conn{a, b}
		in := codec.Decode(b.In, text)
		require.NoError(t, a.Out.Send(ctx, []byte{0, 0xf0, 0, 0, 'x'}))
		require.NoError(t, a.Out.Flush(ctx))
		go func() {
			_, err := in.Recv(ctx)
			done <- err
		}()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(n*64<<10))
	cancel()
	for range n {
		require.ErrorIs(t, <-done, context.Canceled)
	}
	for _, c := range conns {
		c[0].Out.Abort(nil)
		c[1].Out.Abort(nil)
	}
}

func TestG15AFrameCutShort(t *testing.T) {
	for name, frame := range map[string]string{
		"in the length": "\x00\x00", "in the body": "\x00\x00\x00\x05hel",
		"in a body read without the buffer": "\x00\x01\x00\x00" + strings.Repeat("x", 40_000),
	} {
		t.Run(name, func(t *testing.T) {
			onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
				in := codec.Decode(b.In, text)
				require.NoError(t, a.Out.Send(t.Context(), []byte("\x00\x00\x00\x01y"+frame)))
				require.NoError(t, a.Out.Close())
				got, err := in.Recv(t.Context())
				require.NoError(t, err)
				require.Equal(t, "y", got)
				_, err = in.Recv(t.Context())
				var wrong *codec.Error
				require.ErrorAs(t, err, &wrong)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.Equal(t, int64(5+len(frame)), wrong.Offset)
				_, again := in.Recv(t.Context())
				require.Equal(t, err, again)
			})
		})
	}
}

func TestG3CloseReachesARecvWithinAFrame(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		in := codec.Decode(b.In, text)
		require.NoError(t, a.Out.Send(t.Context(), []byte("\x00\x00\x00\x05hel")))
		done := make(chan error, 1)
		go func() {
			_, err := in.Recv(context.Background())
			done <- err
		}()
		require.NoError(t, in.Close())
		require.ErrorIs(t, <-done, net.ErrClosed)
	})
}

func TestAValueThatCannotBeEncodedLeavesNothing(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		left, right := codec.Frame(a, text), codec.Frame(b, text)
		var wrong *codec.Error
		require.ErrorAs(t, left.Out.Send(t.Context(), "a\xff"), &wrong)
		ok, err := left.Out.TrySend("\xff")
		require.False(t, ok)
		require.ErrorIs(t, err, codec.ErrMalformed)
		ok, err = left.Out.TrySend("fine")
		require.True(t, ok)
		require.NoError(t, err)
		got, err := right.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "fine", got)
	})
}

// panicking is a codec that panics after it has appended bytes.
type panicking struct{ codec.Codec[string] }

func (c panicking) Append(dst []byte, v string) ([]byte, error) {
	if v == "panic" {
		_ = append(dst, "half"...)
		panic("no")
	}
	return c.Codec.Append(dst, v)
}

func TestG16APanicOfACodecLeavesNothing(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		out := codec.Encode(a.Out, codec.Codec[string](panicking{text}))
		require.PanicsWithValue(t, "no", func() { _ = out.Send(t.Context(), "panic") })
		require.NoError(t, out.Send(t.Context(), "fine"))
		got, err := codec.Decode(b.In, text).Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "fine", got)
	})
}

// nothing is a codec that reads nothing.
type nothing struct{}

func (nothing) Append(dst []byte, _ int) ([]byte, error) { return dst, nil }
func (nothing) Decode(*codec.Reader) (int, error)        { return 0, nil }

func TestAFrameThatTakesNoBytesIsAnError(t *testing.T) {
	a, b := chanio.Pipe()
	require.NoError(t, a.Out.Send(t.Context(), []byte("x")))
	_, err := codec.Decode(b.In, codec.Codec[int](nothing{})).Recv(t.Context())
	require.ErrorIs(t, err, codec.ErrNoProgress)
	a.Out.Abort(nil)
}

// forgetful is a codec that drops the error of its Reader.
type forgetful struct{ codec.Codec[string] }

func (c forgetful) Decode(r *codec.Reader) (string, error) {
	s, err := c.Codec.Decode(r)
	if err != nil {
		return "made up", nil
	}
	return s, nil
}

func TestG2WhatTheReaderMetOutweighsTheDecoder(t *testing.T) {
	a, b := chanio.Pipe()
	defer a.Out.Abort(nil)
	in := codec.Decode(b.In, codec.Codec[string](forgetful{text}))
	require.NoError(t, a.Out.Send(t.Context(), []byte("\x00\x00\x00\x02h")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := in.Recv(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, a.Out.Send(t.Context(), []byte("i")))
	got, err := in.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hi", got)
}

// peeker peeks at a large body before it takes it, so that decoding it again finds it elsewhere.
type peeker struct{}

func (peeker) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }

func (peeker) Decode(r *codec.Reader) ([]byte, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	return r.Bytes(50_000)
}

func TestG2ADecoderThatPeeksFindsALargeBodyAgain(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		want := bytes.Repeat([]byte("0123456789"), 5000)
		in := codec.Decode(b.In, codec.Codec[[]byte](peeker{}))
		for i := range 3 {
			require.NoError(t, a.Out.Send(t.Context(), want[:20_000]))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := in.Recv(ctx)
				done <- err
			}()
			require.NoError(t, a.Out.Flush(t.Context()))
			cancel()
			require.ErrorIs(t, <-done, context.Canceled, i)
			require.NoError(t, a.Out.Send(t.Context(), want[20_000:]))
			got, err := in.Recv(t.Context())
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
		}
	})
}

func TestG12ReceivedBytesAreOwned(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		frames := codec.Prefixed(codec.Uint32, codec.Bytes)
		out, in := codec.Encode(a.Out, frames), codec.Decode(b.In, frames)
		var got [][]byte
		for i := range 200 {
			size := []int{3, 900, 5000, 40_000}[i%4]
			require.NoError(t, out.Send(t.Context(), bytes.Repeat([]byte{byte(i)}, size)))
			v, err := in.Recv(t.Context())
			require.NoError(t, err)
			require.Len(t, v, size)
			require.Equal(t, size, cap(v))
			got = append(got, v)
		}
		for i, v := range got {
			require.Equal(t, len(v), bytes.Count(v, []byte{byte(i)}))
		}
	})
}

func TestASinkOfWholeValuesGetsOneFrameEach(t *testing.T) {
	var sent [][]byte
	sink := chanio.NewSink(chanio.SinkHooks[[]byte]{Send: func(_ context.Context, p []byte) error {
		sent = append(sent, p)
		return nil
	}})
	out := codec.Encode(sink, text)
	require.NoError(t, out.Send(t.Context(), "a"))
	require.Error(t, out.Send(t.Context(), "\xff"))
	require.NoError(t, out.Send(t.Context(), "b"))
	require.Equal(t, [][]byte{[]byte("\x00\x00\x00\x01a"), []byte("\x00\x00\x00\x01b")}, sent)
	require.NoError(t, out.Close())
	<-sink.Done()
	require.ErrorIs(t, out.Send(t.Context(), "c"), net.ErrClosed)
}

func TestG5AnAbortBelowEndsTheValues(t *testing.T) {
	a, b := chanio.Pipe()
	out := codec.Encode(a.Out, text)
	cause := errors.New("enough")
	a.Out.Abort(cause)
	<-out.Done()
	require.ErrorIs(t, out.Err(), cause)
	require.ErrorIs(t, out.Send(t.Context(), "x"), cause)
	b.Out.Abort(nil)
}

// TestACodecOfTheRestWaitsForTheEnd starts with some of the bytes available.
func TestACodecOfTheRestWaitsForTheEnd(t *testing.T) {
	m := &memory{all: []byte("abcdefgh"), step: 3, once: true}
	require.NoError(t, m.Fill(t.Context(), 1))
	v, err := codec.Decode(m.source(), codec.RawString).Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "abcdefgh", v)
}
