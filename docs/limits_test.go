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
	missing    []string // the names that no test sets
}

// module is all code of the tree, parsed once.
type module struct {
	before  string // the page as it is
	limits  []limit
	consts  map[string]string   // values by package and name, such as stream.DefaultLinger
	users   map[string][]string // by name: the functions of tests that use it
	setters map[string][]string // by directory, struct and field, or only ".field": the functions of tests that set it
}

var (
	sentence    = regexp.MustCompile(`[^.;:]*\b(?:0|nil|Nil|""|zero|negative|Negative)\b[^;]*?means?\b.*`)
	running     = regexp.MustCompile(`^(Test|Fuzz|Example)`)
	configuring = regexp.MustCompile(`^\w*(Config|Policy)$|^(Queue|Deflate|HTTPProxy|CallerTags)$`)
	bounding    = regexp.MustCompile(`^(?:Default|Max|Min)[A-Z]`)
	name        = regexp.MustCompile(`(?:\w+\.)?\b[a-zA-Z]\w*`)
)

// readModule finds the options whose comment explains the value 0, the exported constants that are limits, and the
// tests that use either.
func readModule(t *testing.T) *module {
	before, err := os.ReadFile(limitsPage)
	require.NoError(t, err)
	m := &module{
		before: string(before),
		users:  map[string][]string{}, setters: map[string][]string{}, consts: map[string]string{},
	}
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
		l.tests, l.missing = m.testsOf(*l)
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
				if s, ok := spec.Type.(*ast.StructType); ok && configuring.MatchString(spec.Name.Name) {
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
	for i, field := range s.Fields.List {
		said := sentence.FindString(strings.Join(strings.Fields(field.Doc.Text()), " "))
		if len(field.Names) == 0 || !field.Names[0].IsExported() || said == "" {
			continue
		}
		l := limit{dir: dir, owner: owner, text: strings.TrimSpace(said)}
		for _, name := range field.Names {
			l.names = append(l.names, name.Name)
		}
		for _, next := range s.Fields.List[i+1:] { // fields without a comment share that of the field before
			if next.Doc != nil || len(next.Names) == 0 || !next.Names[0].IsExported() {
				break
			}
			for _, name := range next.Names {
				l.names = append(l.names, name.Name)
			}
		}
		m.limits = append(m.limits, l)
	}
}

// addTests records, for each function of a test file, the names that it uses and the options that it sets.
func (m *module) addTests(dir string, file *ast.File) {
	imported := map[string]string{}
	for _, spec := range file.Imports {
		at := strings.Trim(spec.Path.Value, `"`)
		name := path.Base(at)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = strings.TrimPrefix(strings.TrimPrefix(at, "github.com/weir-go/weir"), "/")
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		test := dir + "." + f.Name.Name
		note := func(users map[string][]string, name string) {
			if !slices.Contains(users[name], test) {
				users[name] = append(users[name], test)
			}
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				note(m.users, n.Name)
			case *ast.CompositeLit:
				for _, option := range optionsSet(dir, imported, n) {
					note(m.setters, option)
				}
			case *ast.AssignStmt:
				for _, at := range n.Lhs {
					if field, ok := at.(*ast.SelectorExpr); ok {
						note(m.setters, "."+field.Sel.Name)
					}
				}
			}
			return true
		})
	}
}

// optionsSet returns the options that a literal sets, as directory, struct and field.
func optionsSet(dir string, imported map[string]string, lit *ast.CompositeLit) (options []string) {
	owner := typeName(dir, imported, lit.Type)
	for _, elt := range lit.Elts {
		// The type of an element of a slice or a map, and that of a key, may be omitted.
		var keyType, eltType ast.Expr
		switch t := lit.Type.(type) {
		case *ast.ArrayType:
			eltType = t.Elt
		case *ast.MapType:
			keyType, eltType = t.Key, t.Value
		}
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && owner != "" {
				options = append(options, owner+"."+key.Name)
			}
			options = append(options, untypedSet(dir, imported, kv.Key, keyType)...)
			elt = kv.Value
		}
		options = append(options, untypedSet(dir, imported, elt, eltType)...)
	}
	return options
}

// untypedSet returns the options that a literal sets whose type is omitted.
func untypedSet(dir string, imported map[string]string, e, t ast.Expr) []string {
	lit, ok := e.(*ast.CompositeLit)
	if !ok || lit.Type != nil {
		return nil
	}
	typed := *lit
	typed.Type = t
	return optionsSet(dir, imported, &typed)
}

// typeName returns a named type as directory and name, or "".
func typeName(dir string, imported map[string]string, t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return dir + "." + t.Name
	case *ast.StarExpr:
		return typeName(dir, imported, t.X)
	case *ast.IndexExpr:
		return typeName(dir, imported, t.X)
	case *ast.IndexListExpr:
		return typeName(dir, imported, t.X)
	case *ast.SelectorExpr:
		if pkg, ok := t.X.(*ast.Ident); ok {
			return imported[pkg.Name] + "." + t.Sel.Name
		}
	}
	return ""
}

// testsOf returns, for each name of a limit, one test that sets it, of the same package if possible, and the names that
// no test sets.
func (m *module) testsOf(l limit) (tests, missing []string) {
	for _, name := range l.names {
		users := m.tests(m.users[name])
		if l.owner != "" {
			users = m.tests(m.setters[l.dir+"."+l.owner+"."+name])
		}
		if len(users) == 0 { // an assignment does not show its struct, so the test or one of its helpers must name it
			owners := m.tests(m.users[l.owner])
			for _, test := range m.tests(m.setters["."+name]) {
				if distance(test, l, name) < 3 && slices.Contains(owners, test) {
					users = append(users, test)
				}
			}
		}
		slices.SortStableFunc(users, func(a, b string) int {
			return cmp.Or(cmp.Compare(distance(a, l, name), distance(b, l, name)), cmp.Compare(m.unlisted(a), m.unlisted(b)))
		})
		if len(users) == 0 {
			missing = append(missing, name)
		} else if !slices.Contains(tests, users[0]) {
			tests = append(tests, users[0])
		}
	}
	return tests, missing
}

// unlisted returns 0 if the page names test already, so that the page does not change with each new test, and otherwise 1.
func (m *module) unlisted(test string) int {
	if strings.Contains(m.before, "`"+test+"`") {
		return 0
	}
	return 1
}

// tests returns the tests among some functions, and those that call the others, directly or through a helper.
func (m *module) tests(users []string) (tests []string) {
	seen := map[string]bool{}
	for depth := 0; depth < 3 && len(users) > 0; depth++ {
		var callers []string
		for _, user := range users {
			dir, f, _ := strings.Cut(user, ".")
			switch {
			case seen[user]:
			case running.MatchString(f):
				tests = append(tests, user)
			default:
				for _, caller := range m.users[f] {
					if d, _, _ := strings.Cut(caller, "."); d == dir {
						callers = append(callers, caller)
					}
				}
			}
			seen[user] = true
		}
		users = callers
	}
	return tests
}

// distance ranks a test by its package: that of the limit, one below it, or another. Fuzz targets and examples come after
// the tests of the same package.
func distance(test string, l limit, name string) int {
	dir, f, _ := strings.Cut(test, ".")
	switch {
	case dir == l.dir && !strings.HasPrefix(f, "Test"):
		return 2
	case dir == l.dir && strings.Contains(test, name):
		return 0
	case dir == l.dir:
		return 1
	case strings.HasPrefix(dir, l.dir):
		return 3
	}
	return 4
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
		if len(l.missing) > 0 {
			t.Errorf("no test sets %s.%s %v", l.dir, l.owner, l.missing)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(limitsPage, []byte(m.page()), 0o644))
	}
	text, err := os.ReadFile(limitsPage)
	require.NoError(t, err)
	require.Equal(t, m.page(), string(text), "run go test ./docs -run Limits -update")
}
