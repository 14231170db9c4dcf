package websocket

import (
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPackedHeaderIsTheSame(t *testing.T) {
	for _, h := range []textproto.MIMEHeader{
		nil,
		{},
		{"Host": {"a"}},
		{"Connection": {"keep-alive", "Upgrade", ""}, "Upgrade": {"websocket"}, "upgrade": {"websocket"}, "Origin": {"", "http://a"}},
		{"A": {"", "2", "1"}, "": {"x"}, "B": {strings.Repeat("v", 1000), "\x00\r\n"}},
	} {
		got := pack(h).header()
		require.Equal(t, h, got)
		if h != nil {
			got["New"] = []string{"x"}
			require.Equal(t, h, pack(h).header(), "it is the caller's")
		}
	}
}

// TestPackedHeaderIsSmall packs the fields that every client sends, which take 24 bytes for the key and few others.
func TestPackedHeaderIsSmall(t *testing.T) {
	p := pack(textproto.MIMEHeader{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	})
	require.LessOrEqual(t, len(p), 32)
}
