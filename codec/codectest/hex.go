package codectest

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Hex returns the bytes of a text in hexadecimal. It ignores spaces, line ends and vertical bars.
func Hex(t testing.TB, text string) []byte {
	t.Helper()
	clean := strings.NewReplacer(" ", "", "\n", "", "\t", "", "|", "").Replace(text)
	p, err := hex.DecodeString(clean)
	require.NoError(t, err)
	return p
}
