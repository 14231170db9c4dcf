package docs

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// indexed finds the rows of the index of examples.
var indexed = regexp.MustCompile(`(?m)^\| .+ \| \[(\w+)\]\((\w+)\) \|$`)

func TestEveryExampleIsInTheIndex(t *testing.T) {
	text, err := os.ReadFile("examples/README.md")
	require.NoError(t, err)
	var listed []string
	for _, m := range indexed.FindAllStringSubmatch(string(text), -1) {
		require.Equal(t, m[1], m[2])
		listed = append(listed, m[1])
	}
	var there []string
	entries, err := os.ReadDir("examples")
	require.NoError(t, err)
	for _, e := range entries {
		if e.IsDir() && e.Name() != "internal" {
			there = append(there, e.Name())
		}
	}
	slices.Sort(listed)
	require.Equal(t, there, listed)
}
