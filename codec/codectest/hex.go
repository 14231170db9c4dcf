package codectest

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Hex returns the bytes that text shows in hexadecimal. Spaces, line ends and vertical bars do not count.
func Hex(t testing.TB, text string) []byte {
	t.Helper()
	clean := strings.NewReplacer(" ", "", "\n", "", "\t", "", "|", "").Replace(text)
	p, err := hex.DecodeString(clean)
	require.NoError(t, err)
	return p
}
