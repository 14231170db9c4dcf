package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/docs/examples/internal/peertest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestAgainstTheRealServer(t *testing.T) {
	addr := peertest.Start(t, peertest.Program(t, "memcached", "memcached"), "server listening",
		"-p", "PORT", "-l", "127.0.0.1", "-u", "nobody", "-vv")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), addr, &out))
	require.Equal(t, "ms greeting -> HD \nmg greeting v -> VA hello\nma count N0 J5 v -> VA 5\nma count v -> VA 6\n"+
		"md greeting -> HD \nmg greeting v -> EN \n500 of 1000 keys found\n", out.String())
}

func TestLinesHaveTheirBytes(t *testing.T) {
	for text, v := range map[string]line{
		"ms k 2\r\nhi\r\n":       {Words: []string{"ms", "k"}, Block: []byte("hi")},
		"ms k 2 T60 q\r\nhi\r\n": {Words: []string{"ms", "k", "T60", "q"}, Block: []byte("hi")},
		"VA 0\r\n\r\n":           {Words: []string{"VA"}, Block: []byte{}},
		"EN\r\n":                 {Words: []string{"EN"}},
	} {
		p, err := codec.Marshal(meta, v)
		require.NoError(t, err)
		require.Equal(t, text, string(p))
		codectest.Decodes(t, meta, p, v)
	}
}

func TestWhatIsNoLine(t *testing.T) {
	for text, cause := range map[string]error{
		"EN\n": codec.ErrMalformed, "\r\n": codec.ErrMalformed, "VA x\r\n": codec.ErrMalformed, "VA\r\n": codec.ErrMalformed,
		"VA 9999999\r\n": codec.ErrTooLarge, "VA 1\r\nabc": codec.ErrMismatch, "a  b\r\n": codec.ErrMalformed,
	} {
		_, err := codec.Unmarshal(meta, []byte(text))
		require.ErrorIs(t, err, cause, "%q", text)
	}
	codectest.Refuses(t, meta, line{Words: []string{"mg", "a b"}}, codec.ErrMalformed)
	codectest.Refuses(t, meta, line{Words: []string{"mg", "a\r\nflush_all"}}, codec.ErrMalformed)
}

func FuzzMeta(f *testing.F) {
	codectest.Fuzz(f, meta, line{Words: []string{"ms", "k"}, Block: []byte("hi")}, line{Words: []string{"EN"}})
}
