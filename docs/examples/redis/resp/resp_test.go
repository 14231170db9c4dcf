package resp_test

import (
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/docs/examples/redis/resp"
)

var values = map[string]resp.Value{
	"+OK\r\n":                        {Kind: resp.Simple, Text: "OK"},
	"-ERR no\r\n":                    {Kind: resp.Failure, Text: "ERR no"},
	":-5\r\n":                        {Kind: resp.Integer, Int: -5},
	"$3\r\nfoo\r\n":                  {Kind: resp.Bulk, Text: "foo"},
	"$0\r\n\r\n":                     {Kind: resp.Bulk},
	"$-1\r\n":                        {Kind: resp.Bulk, Nil: true},
	"*-1\r\n":                        {Kind: resp.Array, Nil: true},
	"*0\r\n":                         {Kind: resp.Array, Elems: []resp.Value{}},
	"_\r\n":                          {Kind: resp.Null},
	",1.5\r\n":                       {Kind: resp.Double, Float: 1.5},
	",-inf\r\n":                      {Kind: resp.Double, Float: math.Inf(-1)},
	"#t\r\n":                         {Kind: resp.Boolean, Int: 1},
	"(12345678901234567890123\r\n":   {Kind: resp.BigInt, Text: "12345678901234567890123"},
	"=7\r\ntxt:abc\r\n":              {Kind: resp.Verbatim, Text: "txt:abc"},
	"!4\r\nERR \r\n":                 {Kind: resp.BulkFail, Text: "ERR "},
	"%1\r\n+k\r\n:1\r\n":             {Kind: resp.Map, Elems: []resp.Value{{Kind: resp.Simple, Text: "k"}, {Kind: resp.Integer, Int: 1}}},
	"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n": resp.Command("GET", "k"),
}

func TestValuesHaveTheirBytes(t *testing.T) {
	for frame, v := range values {
		p, err := codec.Marshal(resp.Codec, v)
		require.NoError(t, err)
		require.Equal(t, frame, string(p))
		codectest.Decodes(t, resp.Codec, p, v)
	}
}

func TestWhatIsNoValue(t *testing.T) {
	for frame, cause := range map[string]error{
		"?x\r\n": codec.ErrMismatch, ":1x\r\n": codec.ErrMalformed, "$-2\r\n": codec.ErrMalformed, "+OK\n": codec.ErrMalformed,
		"$99999999999\r\n": codec.ErrTooLarge, "*99999999\r\n": codec.ErrTooLarge, "$1\r\nab\r": codec.ErrMismatch,
		"%9223372036854775807\r\n": codec.ErrTooLarge, "$3\r\nfo": io.ErrUnexpectedEOF,
		strings.Repeat("*1\r\n", 100): codec.ErrTooDeep,
	} {
		_, err := codec.Unmarshal(resp.Codec, []byte(frame))
		require.ErrorIs(t, err, cause, "%q", frame)
	}
	_, err := codec.Marshal(resp.Codec, resp.Value{Kind: resp.Simple, Text: "a\r\nb"})
	require.ErrorIs(t, err, codec.ErrMalformed)
	deep := resp.Value{Kind: resp.Null}
	for range 100 {
		deep = resp.Value{Kind: resp.Array, Elems: []resp.Value{deep}}
	}
	_, err = codec.Marshal(resp.Codec, deep)
	require.ErrorIs(t, err, codec.ErrTooDeep)
}

func FuzzRESP(f *testing.F) {
	for frame := range values {
		f.Add([]byte(frame))
	}
	f.Fuzz(func(t *testing.T, p []byte) { codectest.Try(t, resp.Codec, p) })
}
