package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	title   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notWord = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// pages returns the paths of all pages of Markdown in the tree.
func pages(t *testing.T) (paths []string) {
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			paths = append(paths, path)
		}
		return nil
	}))
	return paths
}

// anchor returns the fragment of a link to a heading.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(notWord.ReplaceAllString(heading, "")), " ", "-")
}

// code matches code, in which a call may look like a link.
var code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

// broken returns the links of a page, text, that lead nowhere. dir is the directory of the page.
func broken(dir, text string) (bad []string) {
	for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
		target, fragment, _ := strings.Cut(m[1], "#")
		if strings.Contains(target, ":") {
			continue // elsewhere: nothing is fetched here
		}
		page := text
		if target != "" {
			path := filepath.Join(dir, target)
			if _, err := os.Stat(path); err != nil {
				bad = append(bad, m[1])
				continue
			}
			read, _ := os.ReadFile(path) // of a directory: no headings
			page = string(read)
		}
		if fragment != "" && !hasHeading(page, fragment) {
			bad = append(bad, m[1])
		}
	}
	return bad
}

func hasHeading(page, fragment string) bool {
	for _, m := range title.FindAllStringSubmatch(page, -1) {
		if anchor(m[1]) == fragment {
			return true
		}
	}
	return false
}

func TestLinksLeadSomewhere(t *testing.T) {
	found := pages(t)
	require.Contains(t, found, filepath.Join(root, "README.md"))
	for _, path := range found {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, bad := range broken(filepath.Dir(path), string(text)) {
			t.Errorf("%s: %s leads nowhere", path, bad)
		}
	}
	require.Equal(t, []string{"gone.md", "#nowhere", "guide.md#nowhere"},
		broken(".", "[a](gone.md) [b](guide.md) [c](#nowhere) [d](guide.md#nowhere) [e](guide.md#2-lines) [f](https://example.org/x)"))
}
