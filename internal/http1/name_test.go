package http1

import (
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryNameIsFoundInAnyLetterCase(t *testing.T) {
	for k := 1; k < len(names); k++ {
		require.Equal(t, Known(k), Lookup(names[k]), names[k])
		require.Equal(t, Known(k), Lookup(strings.ToLower(names[k])))
		require.Equal(t, Known(k), Lookup([]byte(strings.ToUpper(names[k]))))
		require.Equal(t, textproto.CanonicalMIMEHeaderKey(names[k]), names[k])
	}
	require.Equal(t, "Proxy-Authentication-Info", (lastNamed - 1).String())
}

func TestOtherNamesAreUnknown(t *testing.T) {
	for _, name := range []string{"X", "Hos", "Hosts", "H^st", "X-Other", "Content_Length", "Content-Lengtj", "~", strings.Repeat("a", 300)} {
		require.Equal(t, Unknown, Lookup(name), name)
	}
}

func TestCanonicalIsThatOfNetHTTP(t *testing.T) {
	for _, name := range []string{"x-abc-DEF", "X-Abc-Def", "x", "-a-", "a--b", "x_y-z", "1a-2b", "!a", "host", "ETAG", "a", "z", "z-B", "Ab-Z", "AZ", "AA", "Zz-Aa"} {
		p := []byte(name)
		require.Equal(t, http.CanonicalHeaderKey(name), Canonical(p, Lookup(p)))
		require.Equal(t, http.CanonicalHeaderKey(name) == name, isCanonical(name))
	}
}

func TestReasonsAreThoseOfNetHTTP(t *testing.T) {
	for status := 100; status < 600; status++ {
		require.Equal(t, http.StatusText(status), reasons[status], "%d", status)
	}
}

func TestValidNamesAndValues(t *testing.T) {
	require.True(t, ValidToken("A-b"))
	for _, bad := range []string{"", "a b", "a:", "\xe4", "a\r"} {
		require.False(t, ValidToken(bad), "%q", bad)
	}
	for _, good := range []string{"", "a", "a \t b", "\xe4", "a,b;c=\"d\""} {
		require.True(t, ValidValue(good), "%q", good)
	}
	for _, bad := range []string{" a", "a ", "\ta", "a\r\nb: c", "a\nb", "a\x00", "\x7f"} {
		require.False(t, ValidValue(bad), "%q", bad)
	}
}

// TestEveryByteOfAValueIsJudgedAnywhere compares the check of eight bytes at a time with the table.
func TestEveryByteOfAValueIsJudgedAnywhere(t *testing.T) {
	for c := range 256 {
		for at := range 19 {
			for _, filler := range []string{"x", "\xff", "\t", " "} {
				p := []byte(strings.Repeat(filler, 19))
				p[at] = byte(c)
				require.Equal(t, class[c]&isValue != 0, validValue(p), "%q", p)
			}
		}
	}
}

func TestTargetsThatAClientMaySend(t *testing.T) {
	for target, method := range map[string]string{"/": "GET", "*": "OPTIONS", "a:1": "CONNECT", "http://a/?b": "GET"} {
		require.True(t, ValidTarget(method, target), target)
	}
	for target, method := range map[string]string{"": "GET", "*": "GET", "a": "CONNECT", "/a b": "GET", "/\r\nX: y": "GET", "/#": "GET"} {
		require.False(t, ValidTarget(method, target), target)
	}
}

func TestHasToken(t *testing.T) {
	require.True(t, HasToken([]byte("a,\t100-Continue ,b"), "100-continue"))
	require.False(t, HasToken([]byte("100-continued, x100-continue"), "100-continue"))
}
