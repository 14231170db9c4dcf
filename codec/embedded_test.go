package codec_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// shifted is a Switchable of the user with a frame of its own: what is embedded must not be used around it.
type shifted struct{ *codec.Switchable[[]byte] }

func (s shifted) Append(dst, v []byte) ([]byte, error) {
	return s.Switchable.Append(append(dst, 'x', byte(len(v))), v)
}

func (s shifted) Decode(r *codec.Reader) ([]byte, error) {
	if p, err := r.Next(2); err != nil || p[0] != 'x' {
		return nil, errors.Join(err, errNoX)
	} else {
		return r.Bytes(int(p[1]))
	}
}

func (s shifted) Size() codec.Size { return codec.Size{Min: 2, Max: 300} }

var errNoX = errors.New("no x")

// shouted are Lines of the user.
type shouted struct{ codec.LinesCodec }

func (s shouted) Append(dst []byte, v string) ([]byte, error) {
	return s.LinesCodec.Append(append(dst, '!'), v)
}

func (s shouted) Decode(r *codec.Reader) (string, error) {
	if err := r.Skip(1); err != nil {
		return "", err
	}
	return s.LinesCodec.Decode(r)
}

// A type of the user that embeds a codec and has its own Append and Decode is encoded and decoded by these everywhere.
func TestAMethodOfTheUserIsNotBypassedByTheCodecThatItsTypeEmbeds(t *testing.T) {
	own := codec.Codec[[]byte](shifted{codec.NewSwitchable(codec.Bytes)})
	for name, c := range map[string]codec.Codec[[]byte]{
		"alone": own, "Prefixed": codec.Prefixed(codec.Uint8, own), "As": codec.As[[]byte](own),
		"Header":    codec.Header(codec.Uint8, byteTagOf(own), func([]byte) uint8 { return 1 }),
		"Header, 2": codec.Map(codec.Array(2, codec.Header(codec.Uint8, byteTagOf(own), func([]byte) uint8 { return 1 })), theFirst, doubled),
	} {
		sentAndReceived(t, name, c, []byte("abc"))
	}
	lines := codec.Codec[string](shouted{codec.Lines})
	for name, c := range map[string]codec.Codec[string]{
		"alone": lines, "Prefixed": codec.Prefixed(codec.Uint8, lines), "Delimited": codec.Delimited(lines, ";"),
		"As": codec.As[string](lines), "Limit": codec.Limit(10, lines),
	} {
		sentAndReceived(t, "lines, "+name, c, "abc")
	}
}

func byteTagOf(c codec.Codec[[]byte]) func(uint8) codec.Codec[[]byte] {
	return func(uint8) codec.Codec[[]byte] { return c }
}

func theFirst(all [][]byte) ([]byte, error) { return all[0], nil }
func doubled(v []byte) ([][]byte, error)    { return [][]byte{v, v}, nil }

// sentAndReceived compares what all ways to send v put on the wire, and receives it in all ways.
func sentAndReceived[T any](t *testing.T, name string, c codec.Codec[T], v T) {
	want, err := c.Append(nil, v)
	require.NoError(t, err, name)
	sameEncoding(t, c, v, want)
	near, far := chanio.Pipe()
	out := codec.Encode(near.Out, c)
	require.NoError(t, out.Send(t.Context(), v), name)
	_, err = out.SendAll(t.Context(), v, v)
	require.NoError(t, err, name)
	ok, err := out.TrySend(v)
	require.True(t, ok && err == nil, name)
	require.NoError(t, codec.Send(t.Context(), near.Out, c, v), name)
	require.NoError(t, out.Close())
	var got []byte
	for p := range far.In.All(t.Context()) {
		got = append(got, p...)
	}
	var all []byte
	for range 5 {
		all = append(all, want...)
	}
	require.Equal(t, all, got, name)
	for way, decode := range entryPoints(c, rand.New(rand.NewPCG(1, 23))) {
		require.Equal(t, outcome{Values: []any{v, v, v, v, v}}, decode(got), "%s, %s", name, way)
	}
}
