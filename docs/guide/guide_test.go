// Package guide holds the programs that the README and the guide quote, one step to a directory, each tested
// in its own directory, and the test that they quote them right.
package guide

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuotedCodeIsInAProgramHere(t *testing.T) {
	code := sources(t)
	for _, page := range []string{"../guide.md", "../recipes.md", "../../README.md"} {
		blocks := quoted(t, page)
		require.NotEmpty(t, blocks, page)
		for _, block := range blocks {
			require.True(t, isPartOf(code, block), "%s quotes what no program has:\n%s", page, block)
		}
	}
}

func TestReadmeBeginsWithAProgramAndIsShort(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	require.LessOrEqual(t, len(lines), 200)
	require.Contains(t, strings.Join(lines[:40], "\n"), "\n}\n```\n", "a whole program within the first 40 lines")
	program, err := os.ReadFile("readme/main.go")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(program)), quoted(t, "../../README.md")[0])
}

// sources returns the lines of each Go file here, without their indent.
func sources(t *testing.T) (files []string) {
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		files = append(files, outdent(string(text)))
		return err
	}))
	return files
}

// quoted returns the Go code on a page.
func quoted(t *testing.T, page string) (blocks []string) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, part := range strings.Split(string(text), "```go\n")[1:] {
		block, _, ok := strings.Cut(part, "```")
		require.True(t, ok)
		blocks = append(blocks, strings.TrimSpace(block))
	}
	return blocks
}

// isPartOf reports whether each run of lines of block, between blank ones, is in one of the files.
func isPartOf(files []string, block string) bool {
	for _, run := range strings.Split(outdent(block), "\n\n") {
		found := false
		for _, file := range files {
			found = found || strings.Contains(file, run)
		}
		if !found {
			return false
		}
	}
	return true
}

// outdent removes the indent of each line and what aligns comments.
func outdent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}
