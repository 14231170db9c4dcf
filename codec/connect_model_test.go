package codec_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/pipeline"
)

// pieces is a reader of p in random pieces. Before some of them it ends the ctx of the Connect.
type pieces struct {
	r         *rand.Rand
	p         []byte
	interrupt func()
}

func (s *pieces) Read(p []byte) (int, error) {
	if s.r.IntN(4) == 0 {
		s.interrupt()
	}
	n, err := bytes.NewReader(s.p).Read(p[:min(len(p), 1+s.r.IntN([]int{1, 40, 40 << 10}[s.r.IntN(3)]))])
	s.p = s.p[n:]
	return n, err
}

// relayed connects a decoder to an encoder again and again, through ends of the ctx and rejected values, and checks that
// every value arrives once and in order.
func relayed[T any](t *testing.T, r *rand.Rand, in, out codec.Codec[T], values func() T) {
	var wire, want []byte
	rejected := 0
	for range r.IntN(60) {
		v := values()
		p, err := codec.Marshal(in, v)
		if err != nil {
			continue
		}
		wire = append(wire, p...)
		q, err := codec.Marshal(out, v)
		if err != nil {
			rejected++
		}
		want = append(want, q...)
	}
	var interrupt context.CancelCauseFunc
	end := func() { interrupt(errInterrupted) }
	var bytesIn *chanio.Source[[]byte]
	switch r.IntN(3) {
	case 0:
		bytesIn = chanio.FromReader(&pieces{r, wire, end})
	case 1:
		bytesIn = cutSource(r, wire, end)
	default:
		bytesIn = codectest.Chunks(wire)
	}
	src := codec.Decode(bytesIn, in)
	var got []byte
	sink := codec.Encode(chanio.NewSink(chanio.SinkHooks[[]byte]{Send: func(ctx context.Context, p []byte) error {
		if r.IntN(4) == 0 {
			end()
			return chanio.Cause(ctx)
		}
		got = append(got, p...)
		return nil
	}}), out)
	for {
		var ctx context.Context
		ctx, interrupt = context.WithCancelCause(context.Background())
		err := pipeline.Connect(ctx, src, sink)
		interrupt(nil)
		if err == nil {
			break
		}
		var e *codec.Error
		switch {
		case errors.Is(err, errInterrupted):
		case errors.As(err, &e) && e.Offset < 0: // out rejects the value, which is the next of src
			_, err := src.Recv(context.Background())
			for errors.Is(err, errInterrupted) {
				_, err = src.Recv(context.Background())
			}
			require.NoError(t, err)
			rejected--
		default:
			require.NoError(t, err)
		}
	}
	require.Zero(t, rejected, "values that %T rejects", out)
	require.Equal(t, fmt.Sprintf("%x", want), fmt.Sprintf("%x", got))
}

// cutSource is a Source of p in random chunks. It ends the ctx of some calls.
func cutSource(r *rand.Rand, p []byte, end func()) *chanio.Source[[]byte] {
	return chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(ctx context.Context) ([]byte, error) {
		if r.IntN(4) == 0 && ctx.Done() != nil {
			end()
			return nil, chanio.Cause(ctx)
		}
		if len(p) == 0 {
			return nil, io.EOF
		}
		n := 1 + r.IntN(min(len(p), []int{1, 40, 40 << 10}[r.IntN(3)]))
		chunk := bytes.Clone(p[:n])
		p = p[n:]
		return chunk, nil
	}})
}

// TestConnectRelaysEveryFrameOnce relays random frames from one codec to another, through cancelled calls and through
// values that the second codec rejects.
func TestConnectRelaysEveryFrameOnce(t *testing.T) {
	for seed := range rounds(400) {
		r := rand.New(rand.NewPCG(seed, 41))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			size := []int{3, 40, 5000, 70000}[r.IntN(4)]
			blob := func() []byte { return bytes.Repeat([]byte{byte('a' + r.IntN(9))}, r.IntN(size)) }
			text := func() string { return strings.ReplaceAll(string(blob()), "b", "\n") }
			pick := func(all ...codec.Codec[[]byte]) codec.Codec[[]byte] { return all[r.IntN(len(all))] }
			framed := func() codec.Codec[[]byte] {
				return pick(codec.Prefixed(codec.Uint32, codec.Bytes), codec.Prefixed(codec.Uint16, codec.Bytes, codec.Max(1+r.IntN(size))),
					codec.Prefixed(codec.Uvarint, codec.Borrowed), codec.Delimited(codec.Bytes, ";", codec.Max(1<<20)), codec.COBS(codec.Bytes, codec.Max(1<<20)))
			}
			relayed(t, r, framed(), framed(), blob)
			texts := func() codec.Codec[string] {
				return []codec.Codec[string]{
					codec.Prefixed(codec.Uint32, codec.String), codec.Lines.With(codec.Max(1 + r.IntN(size))),
					codec.Delimited(codec.String, "\r\n", codec.Or("\n"), codec.Max(1+r.IntN(size))), codec.Netstring(codec.String),
				}[r.IntN(4)]
			}
			relayed(t, r, texts(), texts(), text)
			relayed(t, r, someRecord(r), someRecord(r), func() entry {
				return entry{A: uint16(r.Uint32()), Flag: false, S: someString(r), T: blob(), U: someString(r)}
			})
		})
		if t.Failed() {
			return
		}
	}
}
