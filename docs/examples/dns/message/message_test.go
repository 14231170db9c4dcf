package message_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/docs/examples/dns/message"
)

var query = message.Message{
	ID: 7, Flags: message.Flags{Recurse: true},
	Questions: []message.Question{{Name: "a.b.", Type: message.TypeA, Class: message.ClassIN}},
}

var answer = message.Message{
	ID: 7, Flags: message.Flags{Response: true, Authority: true},
	Questions: query.Questions,
	Answers: []message.Record{
		message.A("a.b.", 60, netip.MustParseAddr("192.0.2.1")), message.A("c.b.", 60, netip.MustParseAddr("2001:db8::1")),
	},
	More: []message.Record{{Name: ".", Type: 41, Class: 4096, Data: []byte{}}},
}

func TestMessagesHaveTheirBytes(t *testing.T) {
	codectest.Vector(t, message.Framed, "0015 0007 0100 0001 0000 0000 0000 01610162 00 0001 0001", query)
	codectest.Vector(t, message.Framed, "004e 0007 8400 0001 0002 0000 0001 01610162 00 0001 0001"+
		"c00c 0001 0001 0000003c 0004 c0000201 0163 c00e 001c 0001 0000003c 0010 20010db8000000000000000000000001"+
		"00 0029 1000 00000000 0000", answer)
}

func TestNamesInDataAreSpeltOut(t *testing.T) {
	p := codectest.Hex(t, "0007 8000 0000 0001 0000 0000 0161 0162 00 0005 0001 0000003c 0004 0163 c00e")
	m, err := codec.Unmarshal(message.Framed, append([]byte{0, byte(len(p))}, p...))
	require.NoError(t, err)
	require.Equal(t, "\x01c\x01b\x00", string(m.Answers[0].Data))
}

func TestWhatIsNoMessage(t *testing.T) {
	for text, cause := range map[string]error{
		"0007 0100 0001": codec.ErrMalformed,
		"0007 0100 0001 0000 0000 0000 c00c 0001 0001":                codec.ErrMalformed, // points to itself
		"0007 0100 0001 0000 0000 0000 c0ff 0001 0001":                codec.ErrMalformed, // points forward
		"0007 0100 0001 0000 0000 0000 40":                            codec.ErrMalformed,
		"0007 0100 0000 0000 0000 0000 00":                            codec.ErrTrailingData,
		"0007 8000 0000 0001 0000 0000 00 0005 0001 0000003c 0009 00": codec.ErrMalformed,
	} {
		p := codectest.Hex(t, text)
		_, err := codec.Unmarshal(message.Framed, append([]byte{0, byte(len(p))}, p...))
		require.ErrorIs(t, err, cause, text)
	}
	bad := query
	bad.Questions = []message.Question{{Name: strings.Repeat("x", 64) + "."}}
	codectest.Refuses(t, message.Framed, bad, codec.ErrMalformed)
	bad.Questions[0].Name = "no dot"
	codectest.Refuses(t, message.Framed, bad, codec.ErrMalformed)
}

func FuzzMessage(f *testing.F) { codectest.Fuzz(f, message.Framed, query, answer) }
