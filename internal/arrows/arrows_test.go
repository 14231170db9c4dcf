// Package arrows holds the arrows between this module's packages: which
// directory may import what. It has no code, only this test, so that the check
// needs nothing but the go command. The depguard rules in .golangci.yml say the
// same to an editor.
package arrows

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const (
	module   = "github.com/weir-go/weir"
	internal = module + "/internal"
)

// arrows says what the packages below each top directory may import beside the
// standard library and their own directory. A path allows all below it. A top
// directory without an entry may hold no Go files at all. An arrow to
// internal/ leads no further than the table does: what such a package imports in
// turn must be allowed as well. pipeline and codec have none to a package that
// knows streams, so that chanio's hooks are the only door for them as for every
// user. internal/leanctx is a context that takes less memory, internal/pool keeps memory for reuse,
// internal/line is a lock that serves in order, and internal/eof is about errors.
var arrows = map[string][]string{
	".":        {},
	"chanio":   {"golang.org/x/sync", internal},
	"pipeline": {"golang.org/x/sync", module + "/chanio", module + "/internal/leanctx", module + "/internal/line"},
	"codec":    {"golang.org/x/text", module + "/chanio", module + "/internal/pool", module + "/internal/eof", module + "/internal/line"},
	"servers":  endpoints,
	"clients":  append([]string{"golang.org/x/text"}, endpoints...),
	"internal": endpoints,
	"docs": {
		"golang.org/x/sync",
		module + "/chanio", module + "/pipeline", module + "/codec",
		module + "/servers", module + "/clients",
	},
}

// endpoints is what servers, clients and the code they share may import.
var endpoints = []string{
	"golang.org/x/sync", "golang.org/x/net", "github.com/coder/websocket",
	module + "/chanio", module + "/codec", internal,
}

// testOnly are the packages that tests and packages for tests may import in addition. A test in its own package
// (x_test) may also import any package of the module.
var testOnly = []string{"github.com/stretchr/testify", "golang.org/x/net/nettest"}

// source is what one Go file says about its imports.
type source struct {
	name     string // path from the module's root
	dir      string // directory from the module's root, "." for the root
	test     bool   // a _test.go file
	external bool   // package x_test
	imports  []string
}

func TestImportsFollowTheArrows(t *testing.T) {
	sources, err := scan(os.DirFS("../.."))
	require.NoError(t, err)

	this := slices.IndexFunc(sources, func(s source) bool { return s.name == "internal/arrows/arrows_test.go" })
	require.NotEqual(t, -1, this, "the scan does not even find this file")
	require.Contains(t, sources[this].imports, "go/parser")

	require.Empty(t, violations(sources))
}

// TestPlantedImportsAreFound is the negative control: each planted file breaks
// one arrow, in a tree that is clean without it.
func TestPlantedImportsAreFound(t *testing.T) {
	clean := map[string]string{
		"go.mod":                        "module " + module,
		"chanio/a.go":                   file("chanio", "io", "golang.org/x/sync/errgroup", module+"/internal/ring"),
		"internal/ring/a.go":            file("ring", "sync", module+"/internal/bits"),
		"internal/bits/a.go":            file("bits", "unsafe"),
		"chanio/chaniotest/a.go":        file("chaniotest", "testing", module+"/chanio", "github.com/stretchr/testify/require"),
		"chanio/a_test.go":              file("chanio_test", module+"/chanio/chaniotest", module+"/pipeline", "github.com/stretchr/testify/require"),
		"codec/a.go":                    file("codec", module+"/chanio"),
		"codec/codectest/a.go":          file("codectest", module+"/codec", module+"/chanio/chaniotest"),
		"pipeline/a.go":                 file("pipeline", module+"/chanio"),
		"servers/a.go":                  file("servers", module+"/codec", module+"/internal/sock", "golang.org/x/net/http2"),
		"servers/a_test.go":             file("servers", module+"/chanio/chaniotest", "github.com/stretchr/testify/require"),
		"servers/b_test.go":             file("servers_test", module+"/servers", module+"/clients"),
		"clients/a.go":                  file("clients", module+"/chanio", module+"/internal/sock"),
		"internal/sock/a.go":            file("sock", module+"/codec"),
		"docs/examples/echo/main.go":    file("main", module+"/servers", module+"/clients", module+"/pipeline"),
		"bench/go.mod":                  "module " + module + "/bench",
		"bench/main.go":                 file("main", "github.com/other/peer"),
		"codec/testdata/src/a.go":       "not Go at all",
		"codec/_scratch/a.go":           "not Go at all",
		".hidden/a.go":                  "not Go at all",
		"servers/peers/nested/go.mod":   "module " + module + "/servers/peers/nested",
		"servers/peers/nested/inner.go": file("nested", module+"/clients"),
	}
	planted := []struct{ name, text, finding string }{
		{"chanio/bad.go", file("chanio", "golang.org/x/net/http2"), "golang.org/x/net/http2"},
		{"chanio/bad.go", file("chanio", module+"/pipeline"), module + "/pipeline"},
		{"chanio/bad.go", file("chanio", module+"/internal/sock"), "which imports " + module + "/codec"},
		{"internal/bits/bad.go", file("bits", "golang.org/x/net/ipv4"), "which imports golang.org/x/net/ipv4"},
		{"pipeline/bad.go", file("pipeline", module+"/internal/ring"), module + "/internal/ring"},
		{"chanio/bad_windows.go", file("chanio", module+"/codec"), module + "/codec"},
		{"chanio/bad.go", file("chanio", module+"/chanio/chaniotest"), "only tests import"},
		{"chanio/bad.go", file("chanio", "C"), "C"},
		{"chanio/bad_test.go", file("chanio", "golang.org/x/net/ipv4"), "golang.org/x/net/ipv4"},
		{"chanio/bad_test.go", file("chanio_test", "github.com/other/assert"), "github.com/other/assert"},
		{"codec/bad.go", file("codec", module+"/pipeline"), module + "/pipeline"},
		{"codec/bad.go", file("codec", "github.com/stretchr/testify/require"), "testify/require"},
		{"codec/codectest/bad.go", file("codectest", module+"/servers"), module + "/servers"},
		{"pipeline/bad.go", file("pipeline", module+"/codec"), module + "/codec"},
		{"pipeline/bad.go", file("pipeline", module+"/chaniobus"), module + "/chaniobus"},
		{"servers/bad.go", file("servers", module+"/clients"), module + "/clients"},
		{"servers/http/bad.go", file("http", module+"/clients"), module + "/clients"},
		{"servers/bad_test.go", file("servers", module+"/clients"), module + "/clients"},
		{"servers/bad.go", file("servers", module+"/codec/codectest"), "only tests import"},
		{"servers/bad.go", file("servers", module+"/bench"), module + "/bench"},
		{"clients/bad.go", file("clients", module+"/servers"), module + "/servers"},
		{"internal/sock/bad.go", file("sock", module+"/servers"), module + "/servers"},
		{"docs/examples/echo/bad.go", file("main", module+"/internal/sock"), module + "/internal/sock"},
		{"extras/bad.go", file("extras", "io"), "no arrows"},
	}

	sources, err := scan(tree(clean))
	require.NoError(t, err)
	require.Empty(t, violations(sources), "the tree without a planted file")

	for _, bad := range planted {
		t.Run(bad.name+" "+bad.finding, func(t *testing.T) {
			files := maps.Clone(clean)
			files[bad.name] = bad.text
			sources, err := scan(tree(files))
			require.NoError(t, err)

			found := violations(sources)
			require.NotEmpty(t, found)
			for _, line := range found {
				require.Contains(t, line, bad.finding)
			}
		})
	}
}

// scan reads the imports of every Go file in the module at the root of fsys,
// whatever its build constraints, and leaves out nested modules and what the go
// command leaves out.
func scan(fsys fs.FS) ([]source, error) {
	var sources []source
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return skip(fsys, name)
		case path.Ext(name) != ".go":
			return nil
		}
		parsed, err := parse(fsys, name)
		sources = append(sources, parsed)
		return err
	})
	return sources, err
}

// skip returns fs.SkipDir for a directory that holds no package of the module.
func skip(fsys fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// parse reads one file up to its last import.
func parse(fsys fs.FS, name string) (source, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return source{}, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return source{}, err
	}
	s := source{name: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go")}
	s.external = s.test && strings.HasSuffix(parsed.Name.Name, "_test")
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, fmt.Errorf("%s: %w", name, err)
		}
		s.imports = append(s.imports, imported)
	}
	return s, nil
}

// violations returns one line for each import that no arrow allows.
func violations(sources []source) []string {
	var found []string
	shared := imports(sources)
	for _, s := range sources {
		top, _, _ := strings.Cut(s.dir, "/")
		allowed, known := arrows[top]
		if !known {
			found = append(found, fmt.Sprintf("%s: no arrows are known for %s/: add them to the table", s.name, top))
			continue
		}
		own := path.Join(module, top)
		for _, imported := range s.imports {
			if why := refuse(s, own, allowed, imported); why != "" {
				found = append(found, fmt.Sprintf("%s: imports %s: %s", s.name, imported, why))
				continue
			}
			for _, inner := range beyond(shared, imported) {
				if !s.test && refuse(s, own, allowed, inner) != "" {
					found = append(found, fmt.Sprintf("%s: imports %s, which imports %s: no arrow allows it", s.name, imported, inner))
				}
			}
		}
	}
	return found
}

// imports returns what each package imports outside its tests.
func imports(sources []source) map[string][]string {
	byPackage := map[string][]string{}
	for _, s := range sources {
		if !s.test {
			pkg := path.Join(module, s.dir)
			byPackage[pkg] = append(byPackage[pkg], s.imports...)
		}
	}
	return byPackage
}

// beyond returns what a package of internal/ imports, itself and through others
// of internal/; of any other package it returns nothing.
func beyond(byPackage map[string][]string, pkg string) []string {
	var reached []string
	seen := map[string]bool{}
	var visit func(string)
	visit = func(pkg string) {
		if seen[pkg] || !within(pkg, internal) {
			return
		}
		seen[pkg] = true
		reached = append(reached, byPackage[pkg]...)
		for _, next := range byPackage[pkg] {
			visit(next)
		}
	}
	visit(pkg)
	slices.Sort(reached)
	return slices.Compact(reached)
}

// refuse says why s may not import a package, or nothing if it may.
func refuse(s source, own string, allowed []string, imported string) string {
	forTests := s.test || isTestSupport(path.Join(module, s.dir))
	switch {
	case isTestSupport(imported) && !forTests:
		return "only tests import this"
	case isTestSupport(imported), isStandard(imported), within(imported, own), withinAny(imported, allowed):
		return ""
	case forTests && withinAny(imported, testOnly):
		return ""
	case s.external && within(imported, module):
		return "" // a program of its own, as far as the arrows go
	}
	return "no arrow allows it"
}

// isStandard reports whether a path is the standard library's; cgo is not.
func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return imported != "C" && !strings.Contains(first, ".")
}

// isTestSupport reports whether a path is one of the module's packages for
// tests: chaniotest, codectest and any later one with such a name.
func isTestSupport(imported string) bool {
	return within(imported, module) && strings.HasSuffix(path.Base(imported), "test")
}

func within(imported, root string) bool {
	return imported == root || strings.HasPrefix(imported, root+"/")
}

func withinAny(imported string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return within(imported, root) })
}

// file is the text of a Go file with these imports.
func file(pkg string, imports ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "package %s\n", pkg)
	for _, imported := range imports {
		fmt.Fprintf(&text, "import %q\n", imported)
	}
	return text.String()
}

func tree(files map[string]string) fs.FS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}
