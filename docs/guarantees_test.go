package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the tests of the tree into the lists of guarantees.md")

const (
	page = "guarantees.md"
	root = ".."
)

// testName is a test and its package's directory, such as chanio.TestG1TheFirstEndCounts.
type testName struct{ dir, name string }

func (n testName) String() string { return n.dir + "." + n.name }

var (
	heading   = regexp.MustCompile(`(?m)^### G(\d+)$`)
	listed    = regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)`")
	listedOf  = regexp.MustCompile("`conformance/([\\w-]+)`")
	numbered  = regexp.MustCompile(`^TestG(\d+)\D`)
	caseName  = regexp.MustCompile(`^(?:G(\d+)|C-of-a-Sink|clogged)-[\w-]+$`)
	listBlock = regexp.MustCompile("(?m)(^- `.*\n)+")
)

// tree holds the names of the module's tests.
type tree struct {
	tests map[testName]bool
	cases map[string]bool // of the conformance suite
}

// parse reads all test files, and the suite, of the root module.
func parse(t *testing.T) tree {
	found := tree{map[testName]bool{}, map[string]bool{}}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(path, d.Name())
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		suite := dir == filepath.Join("chanio", "chaniotest")
		if !strings.HasSuffix(path, "_test.go") && !(suite && strings.HasSuffix(path, ".go")) {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		found.add(file, filepath.ToSlash(dir), suite && !strings.HasSuffix(path, "_test.go"))
		return nil
	}))
	return found
}

// skipDir skips nested modules, and directories that the go command skips.
func skipDir(path, name string) error {
	if path == root {
		return nil
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	if err == nil || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return filepath.SkipDir
	}
	return nil
}

func (found *tree) add(file *ast.File, dir string, suite bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") && !suite {
				found.tests[testName{dir, n.Name.Name}] = true
			}
		case *ast.BasicLit:
			text, err := strconv.Unquote(n.Value)
			if suite && err == nil && caseName.MatchString(text) {
				found.cases[text] = true
			}
		}
		return true
	})
}

// sections returns the list of each guarantee in the appendix of the page.
func sections(t *testing.T, text string) map[int]string {
	at := heading.FindAllStringSubmatchIndex(text, -1)
	found := map[int]string{}
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		n, err := strconv.Atoi(text[m[2]:m[3]])
		require.NoError(t, err)
		found[n] = text[m[0]:end]
	}
	return found
}

// TestAttacksNameTheirTests requires each row of the table of attacks to name tests that exist.
func TestAttacksNameTheirTests(t *testing.T) {
	found := parse(t)
	raw, err := os.ReadFile("security.md")
	require.NoError(t, err)
	rows := 0
	for row := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(row, "| ") || strings.HasPrefix(row, "| attack |") {
			continue
		}
		rows++
		tests := listed.FindAllStringSubmatch(row, -1)
		require.NotEmpty(t, tests, row)
		for _, m := range tests {
			require.Contains(t, found.tests, testName{m[1], m[2]})
		}
	}
	require.GreaterOrEqual(t, rows, 16)
}

func TestGuaranteesNameTheirTests(t *testing.T) {
	found := parse(t)
	raw, err := os.ReadFile(page)
	require.NoError(t, err)
	text := string(raw)
	if *update {
		text = updated(t, text, found)
		require.NoError(t, os.WriteFile(page, []byte(text), 0o644))
	}
	for _, m := range listed.FindAllStringSubmatch(text, -1) {
		require.True(t, found.tests[testName{m[1], m[2]}], "%s names %s, which does not exist", page, m[0])
	}
	for _, m := range listedOf.FindAllStringSubmatch(text, -1) {
		require.True(t, found.cases[m[1]], "%s names %s, which does not exist", page, m[0])
	}
	held := sections(t, text)
	require.Equal(t, 20, len(held))
	for n := 1; n <= 20; n++ {
		require.Regexp(t, "`(conformance/|[a-z0-9/]+\\.Test)", held[n], "nothing holds G%d", n)
	}
	for _, n := range found.numbered() {
		require.True(t, strings.Contains(held[n.guarantee], "`"+n.text+"`"),
			"%s does not list %s under G%d: run go test ./docs -update", page, n.text, n.guarantee)
	}
}

// named is a test or a case that carries the number of a guarantee.
type named struct {
	guarantee int
	text      string // as the page has it
}

// numbered returns all tests and cases with a number, in the order of the page.
func (found tree) numbered() (all []named) {
	for _, c := range slices.Sorted(maps.Keys(found.cases)) {
		if m := caseName.FindStringSubmatch(c); m[1] != "" {
			n, _ := strconv.Atoi(m[1])
			all = append(all, named{n, "conformance/" + c})
		}
	}
	tests := slices.SortedFunc(maps.Keys(found.tests), func(a, b testName) int {
		return strings.Compare(a.String(), b.String())
	})
	for _, test := range tests {
		if m := numbered.FindStringSubmatch(test.name); m != nil {
			n, _ := strconv.Atoi(m[1])
			all = append(all, named{n, test.String()})
		}
	}
	return all
}

// updated returns the page with the list of each section replaced. Entries without a number in their name stay.
func updated(t *testing.T, text string, found tree) string {
	for n, section := range sections(t, text) {
		var lines []string
		for _, old := range listBlock.FindAllString(section, -1) {
			for line := range strings.Lines(old) {
				if !carriesNumber(line) {
					lines = append(lines, line)
				}
			}
		}
		for _, of := range found.numbered() {
			if of.guarantee == n {
				lines = append(lines, "- `"+of.text+"`\n")
			}
		}
		slices.Sort(lines)
		rest := strings.TrimRight(listBlock.ReplaceAllString(section, ""), "\n")
		list := strings.Join(slices.Compact(lines), "")
		text = strings.Replace(text, section, rest+"\n\n"+list+"\n", 1)
	}
	return strings.TrimRight(text, "\n") + "\n"
}

// carriesNumber reports whether a line is listed because of the number in its name.
func carriesNumber(line string) bool {
	if m := listed.FindStringSubmatch(line); m != nil {
		return numbered.MatchString(m[2])
	}
	m := listedOf.FindStringSubmatch(line)
	return m != nil && strings.HasPrefix(m[1], "G")
}

// TestG20TheModelHasNothingToLogWith checks that the packages have no logger except those passed to chanio.LogActivity,
// and in ConnConfig for panics in callbacks.
func TestG20TheModelHasNothingToLogWith(t *testing.T) {
	for _, dir := range []string{"chanio", "codec", "pipeline"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			if base := filepath.Base(name); base == "activity.go" || base == "conn.go" || base == "drain.go" {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			require.NoError(t, err)
			for _, imported := range file.Imports {
				require.False(t, strings.HasPrefix(imported.Path.Value, `"log`) && !strings.HasSuffix(name, "_test.go"),
					"%s imports %s", name, imported.Path.Value)
			}
		}
	}
}

// TestGuaranteesAreHeld runs every test that the page names, and requires that none is skipped.
func TestGuaranteesAreHeld(t *testing.T) {
	if os.Getenv("WEIR_LONG") != "1" {
		t.Skip("runs other packages' tests again; WEIR_LONG=1")
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	tests := map[string][]string{}
	for _, m := range listed.FindAllStringSubmatch(string(text), -1) {
		tests[m[1]] = append(tests[m[1]], m[2])
	}
	var passed []string
	for _, dir := range slices.Sorted(maps.Keys(tests)) {
		results := run(t, dir, tests[dir])
		for _, name := range tests[dir] {
			require.Equal(t, "pass", results[name], "%s.%s", dir, name)
		}
		for name, result := range results {
			if result == "pass" {
				passed = append(passed, name)
			}
		}
	}
	for _, m := range listedOf.FindAllStringSubmatch(string(text), -1) {
		require.True(t, slices.ContainsFunc(passed, func(name string) bool {
			return strings.HasSuffix(name, "/conformance/"+m[1])
		}), "no run of the suite has passed %s", m[1])
	}
}

// run returns the result of each test and subtest.
func run(t *testing.T, dir string, tests []string) map[string]string {
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-count=1",
		"-run", fmt.Sprintf("^(%s)$", strings.Join(tests, "|")), "./"+dir)
	cmd.Dir = root
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	results := map[string]string{}
	var failed bytes.Buffer
	for line := range bytes.Lines(out) {
		var event struct{ Action, Test, Output string }
		if json.Unmarshal(line, &event) != nil {
			continue
		}
		switch event.Action {
		case "pass", "fail", "skip":
			results[event.Test] = event.Action
		case "output":
			failed.WriteString(event.Output)
		}
	}
	if err != nil {
		t.Log(failed.String())
	}
	return results
}
