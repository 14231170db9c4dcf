// Package guide holds the programs that the README and the guide quote, one step per directory, each with its own
// tests, and the test that the quotations are correct.
package guide

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuotedCodeIsInAProgramHere(t *testing.T) {
	code := sources(t)
	found, err := filepath.Glob("../*.md")
	require.NoError(t, err)
	found = append(found, "../../README.md", "../../CONTRIBUTING.md", "../../SECURITY.md", "../../bench/README.md", "../examples/README.md")
	counts := map[string]int{}
	for _, page := range found {
		for _, block := range quoted(t, page) {
			if !isPartOf(code, block) {
				t.Errorf("%s quotes what no program has:\n%s", page, block)
			}
			counts[filepath.Base(page)]++
		}
	}
	for _, page := range []string{"guide.md", "recipes.md", "performance.md", "codecs.md", "README.md"} {
		require.NotZero(t, counts[page], page)
	}
	require.False(t, isPartOf(code, "no(such, line)"))
}

// TestCommandsOnThePagesExist checks that each "go run" and "go test" on a page names a directory with a package.
func TestCommandsOnThePagesExist(t *testing.T) {
	named := 0
	for _, page := range []string{
		"../../README.md", "../../CONTRIBUTING.md", "../../bench/README.md", "../README.md", "../guide.md", "../recipes.md",
		"../performance.md", "../architecture.md", "../codecs.md", "../security.md",
	} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			files, err := filepath.Glob(filepath.Join("../..", m[1], "*.go"))
			require.NoError(t, err)
			require.NotEmpty(t, files, "%s: %s", page, m[0])
			named++
		}
	}
	require.Greater(t, named, 15)
}

// command matches a go command with a directory, but not "./...".
var command = regexp.MustCompile(`go (?:run|test)(?: -\S+)* \./([\w/]+)`)

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
		if err != nil || filepath.Ext(path) != ".go" || path == "guide_test.go" {
			return err
		}
		text, err := os.ReadFile(path)
		files = append(files, outdent(string(text)))
		return err
	}))
	cache, err := os.ReadFile("../../clients/httpc/cache/example_test.go") // in a module of its own, so no program here has it
	require.NoError(t, err)
	return append(files, outdent(string(cache)))
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

// outdent removes the indent of each line and the alignment of comments.
func outdent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}
