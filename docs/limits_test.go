package docs

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const limitsPage = "limits.md"

// limit is an option, several options that share a comment, or a constant.
type limit struct {
	dir, owner string // owner is the struct, "" for a constant
	names      []string
	text       string
	tests      []string
}

// module is all code of the tree, parsed once.
type module struct {
	limits []limit
	consts map[string]string   // values by package and name, such as stream.DefaultLinger
	users  map[string][]string // of an option or a constant: the tests that set it, or name it
}

var (
	sentence = regexp.MustCompile(`[^.;:]*\b(?:0|nil|Nil|""|zero|negative|Negative)\b[^;]*?means?\b.*`)
	bounding = regexp.MustCompile(`^(?:Default|Max|Min)[A-Z]`)
	name     = regexp.MustCompile(`(?:\w+\.)?\b[a-zA-Z]\w*`)
)

// readModule finds the options whose comment explains the value 0, the exported constants that are limits, and the
// tests that use either.
func readModule(t *testing.T) *module {
	m := &module{users: map[string][]string{}, consts: map[string]string{}}
	require.NoError(t, filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			skip := d.Name() == "testdata" || d.Name() == "bench" || d.Name() == "docs" && at != "." || strings.HasPrefix(d.Name(), ".")
			if skip && at != root {
				return filepath.SkipDir
			}
			return nil
		case filepath.Ext(at) != ".go":
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, at, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(at))
		if err != nil {
			return err
		}
		if dir = filepath.ToSlash(dir); strings.HasSuffix(at, "_test.go") {
			m.addTests(dir, file)
		} else if m.addConsts(files, file); !strings.Contains(dir, "internal/") && !strings.Contains(dir, "test") {
			m.addLimits(dir, files, file)
		}
		return nil
	}))
	for i := range m.limits {
		l := &m.limits[i]
		l.tests = m.testsOf(*l)
		if l.owner == "" {
			l.text = "`" + m.resolve(path.Base(l.dir), l.text) + "`"
		}
	}
	slices.SortStableFunc(m.limits, func(a, b limit) int {
		return cmp.Or(strings.Compare(a.dir, b.dir), strings.Compare(a.owner, b.owner))
	})
	return m
}

func (m *module) addLimits(dir string, files *token.FileSet, file *ast.File) {
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range gen.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if s, ok := spec.Type.(*ast.StructType); ok && spec.Name.IsExported() && strings.HasSuffix(spec.Name.Name, "Config") {
					m.addOptions(dir, spec.Name.Name, s)
				}
			case *ast.ValueSpec:
				if gen.Tok == token.CONST && len(spec.Values) == 1 && bounding.MatchString(spec.Names[0].Name) {
					var value strings.Builder
					_ = printer.Fprint(&value, files, spec.Values[0])
					m.limits = append(m.limits, limit{dir: dir, names: []string{spec.Names[0].Name}, text: value.String()})
				}
			}
		}
	}
}

// addConsts records the values of the constants of a file.
func (m *module) addConsts(files *token.FileSet, file *ast.File) {
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			if spec := spec.(*ast.ValueSpec); len(spec.Values) == 1 {
				var value strings.Builder
				_ = printer.Fprint(&value, files, spec.Values[0])
				m.consts[file.Name.Name+"."+spec.Names[0].Name] = value.String()
			}
		}
	}
}

// resolve returns an expression of package pkg with the values of the constants in it.
func (m *module) resolve(pkg, expr string) string {
	return name.ReplaceAllStringFunc(expr, func(n string) string {
		if value, ok := m.consts[n]; ok {
			return value
		}
		return cmp.Or(m.consts[pkg+"."+n], n)
	})
}

func (m *module) addOptions(dir, owner string, s *ast.StructType) {
	for _, field := range s.Fields.List {
		said := sentence.FindString(strings.Join(strings.Fields(field.Doc.Text()), " "))
		if len(field.Names) == 0 || !field.Names[0].IsExported() || said == "" {
			continue
		}
		l := limit{dir: dir, owner: owner, text: strings.TrimSpace(said)}
		for _, name := range field.Names {
			l.names = append(l.names, name.Name)
		}
		m.limits = append(m.limits, l)
	}
}

// addTests records which options and constants each function of a test file names.
func (m *module) addTests(dir string, file *ast.File) {
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			name := ""
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok {
					name = key.Name
				}
			case *ast.SelectorExpr:
				name = n.Sel.Name
			case *ast.Ident:
				name = n.Name
			}
			if test := dir + "." + f.Name.Name; name != "" && !slices.Contains(m.users[name], test) {
				m.users[name] = append(m.users[name], test)
			}
			return true
		})
	}
}

// testsOf returns, for each name of a limit, one test that uses it, of the same package if possible.
func (m *module) testsOf(l limit) (tests []string) {
	for _, name := range l.names {
		users := m.testsNaming(name)
		slices.SortStableFunc(users, func(a, b string) int {
			return cmp.Compare(distance(a, l, name), distance(b, l, name))
		})
		if len(users) > 0 && !slices.Contains(tests, users[0]) {
			tests = append(tests, users[0])
		}
	}
	return tests
}

// testsNaming returns the tests that use a name, directly or in a helper that they call.
func (m *module) testsNaming(name string) (tests []string) {
	for _, user := range m.users[name] {
		dir, f, _ := strings.Cut(user, ".")
		if strings.HasPrefix(f, "Test") {
			tests = append(tests, user)
			continue
		}
		for _, caller := range m.users[f] {
			if d, c, _ := strings.Cut(caller, "."); d == dir && strings.HasPrefix(c, "Test") {
				tests = append(tests, caller)
			}
		}
	}
	return tests
}

// distance ranks a test by its package: that of the limit, one below it, or another.
func distance(test string, l limit, name string) int {
	dir, _, _ := strings.Cut(test, ".")
	switch {
	case dir == l.dir && strings.Contains(test, name):
		return 0
	case dir == l.dir:
		return 1
	case strings.HasPrefix(dir, l.dir):
		return 2
	}
	return 3
}

func (m *module) page() string {
	var b strings.Builder
	fmt.Fprint(&b, `# Limits and defaults

Every option with a default, as described in its comment, and the exported constants. The last column names a test that sets it.
A test generates this page: `+"`go test ./docs -run Limits -update`"+`.
`)
	heading := ""
	for _, l := range m.limits {
		if h := strings.Trim(l.dir+"."+l.owner, "."); h != heading {
			heading = h
			fmt.Fprintf(&b, "\n## %s\n\n| option | default | test |\n|---|---|---|\n", h)
		}
		tests := make([]string, len(l.tests))
		for i, test := range l.tests {
			tests[i] = "`" + test + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.Join(l.names, "`, `"), strings.ReplaceAll(l.text, "|", `\|`), strings.Join(tests, ", "))
	}
	return b.String()
}

func TestLimitsAreOnThePageAndTested(t *testing.T) {
	m := readModule(t)
	require.Greater(t, len(m.limits), 40)
	for _, l := range m.limits {
		if len(l.tests) == 0 {
			t.Errorf("no test sets %s.%s %v", l.dir, l.owner, l.names)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(limitsPage, []byte(m.page()), 0o644))
	}
	text, err := os.ReadFile(limitsPage)
	require.NoError(t, err)
	require.Equal(t, m.page(), string(text), "run go test ./docs -run Limits -update")
}
