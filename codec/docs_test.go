package codec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocsHaveEveryDrawing checks that docs/codecs.md shows the bytes that the comments show.
func TestDocsHaveEveryDrawing(t *testing.T) {
	page, err := os.ReadFile("../docs/codecs.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	drawings := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if drawn, ok := strings.CutPrefix(line, "//\t|"); ok {
				require.Contains(t, string(page), "\n|"+drawn, file)
				drawings++
			}
		}
	}
	require.Greater(t, drawings, 40)
}
