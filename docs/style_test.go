//go:build !race

// The race detector makes these tests fifteen times as slow, and they have one goroutine.

package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mannerisms are phrases that this project does not use, because they make readers stumble or because they have a plain
// equivalent. The tests look for them in pages, comments and texts of the code.
var mannerisms = []string{
	"one's own", "of one's", "whoever", "whomever", "whatsoever", "what .{1,20} is none", "that is none",
	"is had", "are had", "be had", "were had", "was had", "had from", "in the midst of", "in vain", "for want of",
	"whence", "thence", "hence", "thereof", "therein", "thereupon", "hitherto", "henceforth", "ought to", "shall",
	"naught", "nought", "aught", "lest", "amongst", "whilst", "betwixt", "upon", "albeit", "nay", "ere",
	"came to something", "come to something", "comes to nothing", "so that .{1,20} be not",
	"what is none", "(a|the) (url|path) is none", "(by|to|for|of|from|with|than) who", "come about", "comes about", "came about",
	"look-ups?", "as it was told", "heeded", "has to do with", "one more is", "its affair", "amid", "midst", "thus", "thereby", "whereby", "wherein", "knows of no", "nigh", "unto", "ye", "verily",
	"utilize", "leverage", "seamless(ly)?", "blazing(ly)?", "robust(ly)?", "cutting[- ]edge", "simply", "obviously",
}

// foreign are names of other systems, which only one page may use.
var foreign = []string{"clojure", "manifold", "aleph", "gloss", "netty"}

func words(list []string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(` + strings.Join(list, "|") + `)\b`)
}

var (
	mannered = words(mannerisms)
	abroad   = words(foreign)
	bareG    = regexp.MustCompile(`\(G\d+\)`)
)

// faulty returns the mannerisms and foreign names in a text.
func faulty(path, text string) (found []string) {
	found = mannered.FindAllString(text, -1)
	if base := filepath.Base(path); base != "from-aleph.md" && base != "CHANGELOG.md" && !strings.HasSuffix(path, "_test.go") {
		found = append(found, abroad.FindAllString(text, -1)...)
	}
	return found
}

func TestTextsArePlainEnglish(t *testing.T) {
	for _, path := range pages(t) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for i, line := range strings.Split(string(text), "\n") {
			for _, f := range faulty(path, strings.ReplaceAll(line, "from-aleph", "")) {
				t.Errorf("%s:%d: %q", path, i+1, f)
			}
		}
	}
	walkGo(t, func(path string, files *token.FileSet, at token.Pos, text string, comment bool) {
		found := faulty(path, text)
		if comment && !strings.HasSuffix(path, "_test.go") {
			found = append(found, bareG.FindAllString(text, -1)...)
		}
		for _, f := range found {
			t.Errorf("%s: %q", files.Position(at), f)
		}
	})
}

// TestOtherTextsArePlainEnglish checks files other than Markdown and Go: the pages of examples and of the benchmarks,
// and scripts.
func TestOtherTextsArePlainEnglish(t *testing.T) {
	kinds := []string{".html", ".js", ".css", ".sh", ".mod", ".yml"}
	found := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || strings.HasPrefix(d.Name(), "bench-report")):
			return filepath.SkipDir
		case d.IsDir() || !slices.Contains(kinds, filepath.Ext(path)) && path != filepath.Join(root, ".ci", "run") && d.Name() != "Makefile":
			return nil
		}
		found++
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for i, line := range strings.Split(string(text), "\n") {
			for _, f := range faulty(path, line) {
				t.Errorf("%s:%d: %q", path, i+1, f)
			}
		}
		return nil
	}))
	require.Greater(t, found, 10)
}

// walkGo calls f with each comment and each string of the code of all modules.
func walkGo(t *testing.T, f func(path string, files *token.FileSet, at token.Pos, text string, comment bool)) {
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || d.Name() == "style_test.go":
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, group := range file.Comments {
			f(path, files, group.Pos(), group.Text(), true)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if _, imports := n.(*ast.ImportSpec); imports {
				return false
			}
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				f(path, files, lit.Pos(), text, false)
			}
			return true
		})
		return nil
	}))
}

func TestMannerismsAreNoticed(t *testing.T) {
	require.NotEmpty(t, faulty("a.go", "a codec of one's own"))
	require.NotEmpty(t, faulty("a.go", "Gloss has it too"))
	require.Empty(t, faulty("from-aleph.md", "Gloss has it too"))
	require.Empty(t, faulty("a.go", "a glossary of thousands"))
	require.NotEmpty(t, bareG.FindString("holds (G2)"))
}
