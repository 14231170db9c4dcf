package codec_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

func TestRecvLeavesWhatFollows(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		big := strings.Repeat("x", 50_000)
		require.NoError(t, codec.Send(t.Context(), a.Out, text, "hello"))
		require.NoError(t, codec.Send(t.Context(), a.Out, text, big))
		require.NoError(t, a.Out.Send(t.Context(), []byte("raw bytes")))
		require.NoError(t, a.Out.Close())
		for _, want := range []string{"hello", big} {
			got, err := codec.Recv(t.Context(), b.In, text)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		var rest []byte
		for chunk := range b.In.All(t.Context()) {
			rest = append(rest, chunk...)
		}
		require.Equal(t, "raw bytes", string(rest))
		_, err := codec.Recv(t.Context(), b.In, text)
		require.Equal(t, io.EOF, err)
	})
}

func TestRecvFromChunksLeavesWhatFollows(t *testing.T) {
	src := codectest.Chunks([]byte("\x00\x00"), []byte("\x00\x02hir"), []byte("aw"))
	got, err := codec.Recv(t.Context(), src, text)
	require.NoError(t, err)
	require.Equal(t, "hi", got)
	chunk, err := src.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "r", string(chunk))
	chunk, err = src.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "aw", string(chunk))
}

func TestG2ACancelledRecvLeavesTheFrame(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		for _, size := range []int{10, 50_000} {
			want := strings.Repeat("x", size)
			frame, err := codec.Marshal(text, want)
			require.NoError(t, err)
			require.NoError(t, a.Out.Send(t.Context(), frame[:len(frame)-1]))
			require.NoError(t, a.Out.Flush(t.Context()))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := codec.Recv(ctx, b.In, text)
				done <- err
			}()
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			require.NoError(t, a.Out.Send(t.Context(), frame[len(frame)-1:]))
			got, err := codec.Recv(t.Context(), b.In, text)
			require.NoError(t, err)
			require.True(t, want == got)
		}
	})
}

func TestRebindChangesTheCodecBetweenFrames(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, a, b *chanio.Conn) {
		in, out := codec.NewSwitchable(codec.Lines), codec.NewSwitchable(codec.Lines)
		left, right := codec.Encode(a.Out, codec.Codec[string](out)), codec.Decode(b.In, codec.Codec[string](in))
		require.NoError(t, left.Send(t.Context(), "STARTTLS"))
		out.Set(text)
		require.NoError(t, left.Send(t.Context(), "one\ntwo"))
		require.NoError(t, left.Flush(t.Context()))
		got, err := right.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "STARTTLS", got)
		in.Set(text)
		got, err = right.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "one\ntwo", got)
	})
}

func TestResyncSkipsToTheMagic(t *testing.T) {
	frames := codec.CRC32(codec.Between(codec.Const("\xca\xfe"), codec.Prefixed(codec.Uint8, codec.String), nil))
	p, err := codec.Marshal(frames, "hello")
	require.NoError(t, err)
	bad := bytes.Clone(p)
	bad[4] ^= 1
	stream := bytes.Join([][]byte{[]byte("noise"), p, bad, []byte("\xca\xca"), p, p, []byte("\xca")}, nil)
	for _, step := range []int{1, 2, 7, 1000} {
		var chunks [][]byte
		for rest := stream; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			chunks = append(chunks, rest[:min(step, len(rest))])
		}
		var dropped []int64
		in := codec.Resync(codectest.Chunks(chunks...), "\xca\xfe", frames, func(n int64, err error) {
			require.ErrorIs(t, err, codec.ErrMismatch)
			dropped = append(dropped, n)
		})
		for range 3 {
			got, err := in.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, "hello", got)
		}
		require.Equal(t, []int64{5, int64(len(bad) + 2)}, dropped)
		_, err := in.Recv(t.Context())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		var wrong *codec.Error
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, int64(len(stream)), wrong.Offset)
	}
}

func TestG2ResyncKeepsAFrameWhenCancelled(t *testing.T) {
	a, b := chanio.Pipe()
	defer a.Out.Abort(nil)
	frames := codec.Between(codec.Const("\xca\xfe"), codec.Uint32, nil)
	in := codec.Resync(b.In, "\xca\xfe", frames, nil)
	require.NoError(t, a.Out.Send(t.Context(), []byte("garbage\xca")))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := in.Recv(ctx)
		done <- err
	}()
	require.NoError(t, a.Out.Flush(t.Context()))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.NoError(t, a.Out.Send(t.Context(), []byte("\xfe\x00\x00\x00\x07")))
	got, err := in.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint32(7), got)
}

func TestDecoderReadsAnyReader(t *testing.T) {
	var dst bytes.Buffer
	e := codec.NewEncoder(&dst, text)
	want := []string{"", "hello", strings.Repeat("x", 100_000)}
	for _, s := range want {
		require.NoError(t, e.Encode(s))
	}
	require.ErrorIs(t, e.Encode("\xff"), codec.ErrMalformed)
	frames := dst.Bytes()
	for name, src := range map[string]io.Reader{
		"whole": bytes.NewReader(frames), "byte by byte": iotest.OneByteReader(bytes.NewReader(frames)),
		"with the end": iotest.DataErrReader(bytes.NewReader(frames)),
	} {
		var got []string
		for s, err := range codec.NewDecoder(src, text).All() {
			require.NoError(t, err, name)
			got = append(got, s)
		}
		require.Equal(t, want, got, name)
	}
	d := codec.NewDecoder(bytes.NewReader(frames[:len(frames)-1]), text)
	for range 2 {
		_, err := d.Decode()
		require.NoError(t, err)
	}
	_, err := d.Decode()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	broken := errors.New("broken")
	_, err = codec.NewDecoder(iotest.ErrReader(broken), text).Decode()
	require.Equal(t, broken, err)
	d = codec.NewDecoder(strings.NewReader("\x00\x00\x00\x01arest"), text)
	_, err = d.Decode()
	require.NoError(t, err)
	require.Equal(t, "rest", string(d.Buffered()))
}

func TestG12BorrowedBytesLieInTheBuffer(t *testing.T) {
	m := &memory{all: []byte("\x03abc\x03def"), step: 100, once: true}
	in := codec.Decode(m.source(), codec.Prefixed(codec.Uint8, codec.Borrowed))
	v, err := in.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "abc", string(v))
	m.all[1] = 'X'
	require.Equal(t, "Xbc", string(v))
}

func TestADecodedStreamSaysWhatItIs(t *testing.T) {
	a, b := chanio.Pipe()
	in := codec.Decode(b.In, text)
	d := in.Describe()
	require.Equal(t, "codec.Decode", d.Kind)
	require.Len(t, d.Upstream, 1)
	require.Equal(t, "codec.Decode", d.Upstream[0].Consumer)
	require.Equal(t, "codec.Encode", codec.Encode(a.Out, text).Describe().Kind)
	a.Out.Abort(nil)
}
