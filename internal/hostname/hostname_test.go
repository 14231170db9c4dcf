package hostname

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesAreBroughtIntoOneForm(t *testing.T) {
	for host, want := range map[string]string{
		"Example.ORG": "example.org", "example.org.": "example.org", "BÜCHER.example.": "xn--bcher-kva.example",
		"xn--bcher-kva.example": "xn--bcher-kva.example", "_sip._tcp.example": "_sip._tcp.example", "a": "a", "10.0.0.1": "10.0.0.1",
		"example。org。": "example.org", "bücher。example．": "xn--bcher-kva.example",
		strings.Repeat("a", 63) + ".b": strings.Repeat("a", 63) + ".b", strings.Repeat("a.", 126) + "a": strings.Repeat("a.", 126) + "a",
	} {
		got, err := ASCII(host)
		require.NoError(t, err, host)
		require.Equal(t, want, got)
	}
}

func TestWhatCannotBeANameIsRefused(t *testing.T) {
	for _, host := range []string{
		"", ".", "a..b", ".a", "a b", "a\x00b", "a\r\nb", "a\x7f", strings.Repeat("a", 64), strings.Repeat("a.", 126) + "ab", "\u00ad", "。", "a。。", "a\u0080", "a\u2028b",
	} {
		_, err := ASCII(host)
		require.ErrorContains(t, err, "not a valid host name", "%q", host)
	}
}

func TestNamesForOtherResolversKeepTheirFinalDot(t *testing.T) {
	for host, want := range map[string]string{
		"Example.ORG": "Example.ORG", "example.org.": "example.org.", "BÜCHER.example": "xn--bcher-kva.example",
		"bücher.example.": "xn--bcher-kva.example.", "bücher。example。": "xn--bcher-kva.example.", "ü．": "xn--tda.", "ü｡": "xn--tda.",
		"ü..example": "ü..example", "": "",
	} {
		require.Equal(t, want, Encoded(host), host)
		require.Equal(t, strings.HasSuffix(want, "."), IsAbsolute(host), host)
	}
}
