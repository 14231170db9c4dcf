package codec_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// outcome is the result of an entry point for some bytes.
type outcome struct {
	Values []any
	Kind   error
	Path   string
	Offset int64
}

var kinds = []error{
	io.ErrUnexpectedEOF, codec.ErrTooLarge, codec.ErrTrailingData, codec.ErrMismatch, codec.ErrMalformed, codec.ErrNoProgress, codec.ErrTooDeep,
}

func (o *outcome) end(err error) {
	if err == nil || err == io.EOF {
		return
	}
	o.Kind, o.Offset = err, -1
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			o.Kind = kind
		}
	}
	var e *codec.Error
	if errors.As(err, &e) {
		o.Offset, o.Path = e.Offset, e.Path
	}
}

// slowly is a codec without the fast paths for decoding and encoding.
type slowly[T any] struct{ c codec.Codec[T] }

func (s slowly[T]) Append(dst []byte, v T) ([]byte, error)  { return s.c.Append(dst, v) }
func (s slowly[T]) Decode(r *codec.Reader) (v T, err error) { return s.c.Decode(r) }

var errInterrupted = errors.New("interrupted")

// interruptions returns a Source of p in random pieces that ends the ctx of a call before some of them, and a function
// that makes a call until it is not interrupted.
func interruptions[T any](r *rand.Rand, p []byte) (*chanio.Source[[]byte], func(func(context.Context) (T, error)) (T, error)) {
	var interrupt context.CancelCauseFunc
	src := chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(ctx context.Context) ([]byte, error) {
		if r.IntN(3) == 0 {
			interrupt(errInterrupted)
			return nil, chanio.Cause(ctx)
		}
		if len(p) == 0 {
			return nil, io.EOF
		}
		n := r.IntN(min(len(p), []int{1, 9, len(p)}[r.IntN(3)]) + 1)
		chunk := p[:n]
		p = p[n:]
		return chunk, nil
	}})
	return src, func(call func(context.Context) (T, error)) (v T, err error) {
		for {
			var ctx context.Context
			ctx, interrupt = context.WithCancelCause(context.Background())
			if v, err = call(ctx); !errors.Is(err, errInterrupted) {
				return v, err
			}
		}
	}
}

// entryPoints are all the ways to decode p.
func entryPoints[T any](c codec.Codec[T], r *rand.Rand) map[string]func(p []byte) outcome {
	received := func(recv func() (T, error)) (o outcome) {
		for {
			v, err := recv()
			if err != nil {
				o.end(err)
				return o
			}
			o.Values = append(o.Values, v)
		}
	}
	source := func(src *chanio.Source[[]byte]) outcome {
		in := codec.Decode(src, c)
		return received(func() (T, error) { return in.Recv(context.Background()) })
	}
	return map[string]func(p []byte) outcome{
		"UnmarshalAll, slowly": func(p []byte) (o outcome) {
			all, err := codec.UnmarshalAll[T](slowly[T]{c}, p)
			for _, v := range all {
				o.Values = append(o.Values, v)
			}
			o.end(err)
			return o
		},
		"UnmarshalAll": func(p []byte) (o outcome) {
			all, err := codec.UnmarshalAll(c, p)
			for _, v := range all {
				o.Values = append(o.Values, v)
			}
			o.end(err)
			return o
		},
		"UnmarshalInto": func(p []byte) outcome {
			at := 0
			return received(func() (v T, err error) {
				if at == len(p) {
					return v, io.EOF
				}
				n, err := codec.UnmarshalInto(c, p[at:], &v)
				var e *codec.Error
				if errors.As(err, &e) {
					moved := *e
					moved.Offset += int64(at)
					err = &moved
				}
				at += n
				return v, err
			})
		},
		"Decoder": func(p []byte) outcome { return received(codec.NewDecoder(bytes.NewReader(p), c).Decode) },
		"Decoder, byte by byte": func(p []byte) outcome {
			return received(codec.NewDecoder(iotest.OneByteReader(bytes.NewReader(p)), c).Decode)
		},
		"Decode": func(p []byte) outcome { return source(codectest.Chunks(p)) },
		"Decode, byte by byte": func(p []byte) outcome {
			var chunks [][]byte
			for i := range p {
				chunks = append(chunks, p[i:i+1])
			}
			return source(chanio.FromSlice(chunks))
		},
		"Decode, cut somewhere": func(p []byte) outcome {
			at := r.IntN(len(p) + 1)
			return source(codectest.Chunks(p[:at], p[at:]))
		},
		"Decode of a buffer": func(p []byte) outcome { return source(chanio.FromReader(bytes.NewReader(p))) },
		"Decode of a buffer, byte by byte": func(p []byte) outcome {
			return source(chanio.FromReader(iotest.OneByteReader(bytes.NewReader(p))))
		},
		"TryRecv": func(p []byte) outcome {
			in := codec.Decode(chanio.FromReader(iotest.HalfReader(bytes.NewReader(p))), c)
			return received(func() (T, error) {
				v, ok, err := in.TryRecv()
				if !ok && err == nil {
					v, err = in.Recv(context.Background())
				}
				return v, err
			})
		},
		"Decode, interrupted": func(p []byte) outcome {
			src, again := interruptions[T](r, p)
			in := codec.Decode(src, c)
			return received(func() (T, error) { return again(in.Recv) })
		},
		"a Reader, interrupted": func(p []byte) outcome {
			src, again := interruptions[T](r, p)
			in := codec.NewStreamReader(chanio.BytesOf(src))
			return received(func() (T, error) {
				return again(func(ctx context.Context) (v T, err error) {
					if err = in.Begin(ctx); err != nil {
						return v, err
					}
					if v, err = c.Decode(in); err != nil {
						return v, in.WrapField("", err)
					}
					in.Commit()
					return v, nil
				})
			})
		},
		"Recv": func(p []byte) outcome {
			src, again := interruptions[T](r, p)
			taken := int64(0)
			return received(func() (T, error) {
				v, err := again(func(ctx context.Context) (T, error) { return codec.Recv(ctx, src, c) })
				var e *codec.Error
				if errors.As(err, &e) {
					moved := *e
					moved.Offset += taken
					err = &moved
				}
				if err == nil {
					n, _ := codec.Marshal(c, v)
					taken += int64(len(n))
				}
				return v, err
			})
		},
	}
}

// lengths are the number codecs that a length may use.
func prefixedBy[T any](r *rand.Rand, c codec.Codec[T]) codec.Codec[T] {
	var opts []codec.LengthOption
	if r.IntN(3) == 0 {
		opts = append(opts, codec.Max(r.IntN(60)+codec.SizeOf(c).Min))
	}
	if r.IntN(3) == 0 {
		opts = append(opts, codec.Adjust(r.IntN(9)-4))
	}
	switch r.IntN(11) {
	case 0:
		return codec.Prefixed(codec.Uint8, c, opts...)
	case 1:
		return codec.Prefixed(codec.Uint16LE, c, opts...)
	case 2:
		return codec.Prefixed(codec.Uint24, c, opts...)
	case 3:
		return codec.Prefixed(codec.Uint32, c, opts...)
	case 4:
		return codec.Prefixed(codec.Uint64, c, opts...)
	case 5:
		return codec.Prefixed(codec.Int16, c, opts...)
	case 6:
		return codec.Prefixed(codec.Int64LE, c, opts...)
	case 7:
		return codec.Prefixed(codec.Uvarint, c, opts...)
	case 8:
		return codec.Prefixed(codec.QUICVarint, c, opts...)
	case 9:
		return codec.Prefixed(codec.Delimited(codec.Decimal[int](), ":"), c, opts...)
	}
	return codec.Prefixed(codec.As[length](codec.Uint16), c, opts...)
}

type length uint16

func unchanged[T any](v T) (T, error) { return v, nil }

// closedText returns a random codec of texts that has an end.
func closedText(r *rand.Rand, depth int) codec.Codec[string] {
	c, open := someText(r, depth)
	if open {
		return prefixedBy(r, c)
	}
	return c
}

// someText returns a random codec of texts, and whether it is, or may be, open-ended.
func someText(r *rand.Rand, depth int) (codec.Codec[string], bool) {
	if depth == 0 {
		return []codec.Codec[string]{codec.RawString, codec.String, codec.ASCII}[r.IntN(3)], true
	}
	inner, open := someText(r, depth-1)
	c := inner
	switch r.IntN(18) {
	case 0:
		return codec.Delimited(c, ";", codec.Max(100+codec.SizeOf(c).Min)), false
	case 1:
		return codec.Delimited(c, "\r\n", codec.Or("\n"), codec.Max(100+codec.SizeOf(c).Min)), false
	case 2:
		return codec.Delimited(c, ",", codec.Escape('\\'), codec.Max(100+codec.SizeOf(c).Min)), false
	case 3:
		return codec.COBS(c), false
	case 4:
		return codec.SLIP(c), false
	case 5:
		return codec.Limit(80+codec.SizeOf(c).Min, c), open
	case 6:
		return codec.CRC32(c), open
	case 7:
		return codec.Suffixed(c, "!"), open
	case 8:
		return codec.Between(codec.Const("<"), c, nil), open
	case 9:
		return codec.Netstring(c, codec.Max(100+codec.SizeOf(c).Min)), false
	case 10:
		return codec.NewSwitchable(c), open
	case 11:
		return codec.Map(c, unchanged[string], unchanged[string]), open
	case 12:
		return prefixedBy(r, codec.Compressed(codec.Deflate, c)), false
	case 13:
		return codec.Header(codec.Uint8, func(n uint8) codec.Codec[string] {
			if n > 4 {
				return nil
			}
			return inner
		}, func(s string) uint8 { return uint8(len(s) % 5) }), open
	case 14:
		if !open {
			return codec.Aligned(4, c), false
		}
	case 15:
		return codec.Padded(40+codec.SizeOf(c).Min, '_', c), false
	}
	return prefixedBy(r, c), false
}

// entry is a record with texts.
type entry struct {
	A    uint16
	Flag bool
	S    string
	B    uint32
	T    []byte
	U    string
}

func someRecord(r *rand.Rand) codec.Codec[entry] {
	closed := func() codec.Codec[string] { return closedText(r, r.IntN(4)) }
	return codec.Record(
		codec.Field("a", func(e *entry) *uint16 { return &e.A }, codec.Uint16),
		codec.Field("flag", func(e *entry) *bool { return &e.Flag }, codec.Bool),
		codec.Field("s", func(e *entry) *string { return &e.S }, closed()),
		codec.FieldIf("b", func(e *entry) *uint32 { return &e.B }, codec.Uint24LE, func(e entry) bool { return e.Flag }),
		codec.Field("t", func(e *entry) *[]byte { return &e.T }, prefixedBy(r, codec.Bytes)),
		codec.Field("u", func(e *entry) *string { return &e.U }, closed()))
}

func someString(r *rand.Rand) string {
	p := make([]byte, r.IntN(30))
	for i := range p {
		p[i] = "abc,;\n\\\x00\xc0 _!<é"[r.IntN(15)]
	}
	return string(p)
}

// sameEncoding compares all ways to encode v, with a lot of room and with exactly enough.
func sameEncoding[T any](t *testing.T, c codec.Codec[T], v T, want []byte) {
	for _, room := range []int{0, len(want), len(want) + 5, len(want) + 100} {
		got, err := c.Append(make([]byte, 0, room), v)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
		got, err = codec.MarshalAppend(c, make([]byte, 0, room), &v)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
		if b, ok := c.(codec.BodyCodec[T]); ok {
			head, body, err := b.AppendHead(make([]byte, 0, room), v)
			require.NoError(t, err)
			require.Equal(t, string(want), string(head)+string(body))
		}
	}
	var out bytes.Buffer
	require.NoError(t, codec.NewEncoder(&out, c).Encode(v))
	require.Equal(t, string(want), out.String())
}

// check compares all entry points on encoded values of c, truncated and changed in many ways.
func check[T any](t *testing.T, r *rand.Rand, c codec.Codec[T], values func() T) {
	if codec.SizeOf(c).Open {
		c = codec.Prefixed(codec.Uint16, c)
	}
	var p []byte
	var sent []any
	for range 3 {
		v := values()
		q, err := codec.Marshal(c, v)
		if err != nil {
			var e *codec.Error
			require.ErrorAs(t, err, &e)
			continue
		}
		sameEncoding(t, c, v, q)
		w, err := codec.Unmarshal(c, q)
		require.NoError(t, err, "%x, made of %#v", q, v)
		require.True(t, reflect.DeepEqual(v, w), "%#v came back as %#v", v, w)
		p, sent = append(p, q...), append(sent, v)
	}
	points := entryPoints(c, r)
	compare := func(p []byte) {
		want := points["UnmarshalAll"](p)
		for name, decode := range points {
			if name == "Recv" && want.Offset != 0 && len(want.Values) > 0 {
				continue // where it stands is guessed from what values take
			}
			got := decode(bytes.Clone(p))
			require.Equal(t, want, got, "%s of %x", name, p)
		}
	}
	compare(p)
	require.Equal(t, outcome{Values: sent}, points["UnmarshalAll"](p), "%x", p)
	for range 4 {
		compare(p[:r.IntN(len(p)+1)])
		if len(p) > 0 {
			q := bytes.Clone(p)
			q[r.IntN(len(q))] ^= 1 << r.IntN(8)
			compare(q)
			at := r.IntN(len(q))
			compare(slices.Insert(bytes.Clone(q), at, byte(r.Uint32())))
			compare(slices.Delete(bytes.Clone(q), at, at+1))
			compare(q[:r.IntN(len(q)+1)])
		}
	}
}

// rounds returns how many random cases a test has: n with WEIR_LONG=1, otherwise a quarter, or with -short an eighth.
func rounds(n uint64) uint64 {
	switch {
	case os.Getenv("WEIR_LONG") == "1":
		return n
	case testing.Short():
		return n / 8
	}
	return n / 4
}

// TestAllEntryPointsAgree composes random codecs. Whole or in pieces, from a slice, a reader, chunks or a buffer, the
// same bytes give the same values, the same kind of error and the same offset.
func TestAllEntryPointsAgree(t *testing.T) {
	for seed := range rounds(400) {
		r := rand.New(rand.NewPCG(seed, 12))
		text := func() string { return someString(r) }
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			check(t, r, closedText(r, 1+r.IntN(4)), text)
			check(t, r, someRecord(r), func() entry {
				e := entry{A: uint16(r.Uint32()), Flag: r.IntN(2) == 0, S: text(), T: []byte(text()), U: text()}
				if e.Flag {
					e.B = r.Uint32() >> 8
				}
				return e
			})
			words := func() []string {
				all := make([]string, r.IntN(4))
				for i := range all {
					all[i] = text()
				}
				return all
			}
			check(t, r, codec.Repeated(codec.Uint8, closedText(r, r.IntN(4))), words)
			check(t, r, codec.ToEnd(closedText(r, r.IntN(4))), words)
			check(t, r, codec.Separated(codec.Codec[string](codec.Limit(20, codec.RawString)), ","), words)
			check(t, r, codec.Until("\r\n", codec.Lines), words)
		})
		if t.Failed() {
			return
		}
	}
}
