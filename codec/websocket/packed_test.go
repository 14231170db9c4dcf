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
