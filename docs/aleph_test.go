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

const alephPage = "from-aleph.md"

// feature is a section of testdata/aleph.txt, whose keys need rows in a table of the page.
type feature struct {
	section string
	keys    []string
}

// features reads testdata/aleph.txt, which states for each section how many keys follow.
func features(t *testing.T) (all []feature) {
	text, err := os.ReadFile("testdata/aleph.txt")
	require.NoError(t, err)
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n")[1:] {
		lines := strings.Split(block, "\n")
		at := strings.LastIndex(lines[0], ": ")
		require.Positive(t, at, lines[0])
		n, err := strconv.Atoi(lines[0][at+2:])
		require.NoError(t, err)
		require.Len(t, lines[1:], n, lines[0])
		all = append(all, feature{lines[0][:at], lines[1:]})
	}
	return all
}

// row is a row of a table, without its key.
type row struct{ key, ours, remark string }

// rowsBelow returns the rows of the tables between a heading and the next one.
func rowsBelow(page, heading string) (rows []row) {
	_, rest, _ := strings.Cut(page, "# "+heading+"\n")
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, "#") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 3 || strings.TrimSpace(cells[0]) == "Aleph" {
			continue
		}
		rows = append(rows, row{strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])})
	}
	return rows
}

func TestEveryFeatureOfAlephHasARow(t *testing.T) {
	text, err := os.ReadFile(alephPage)
	require.NoError(t, err)
	total := 0
	for _, f := range features(t) {
		var keys []string
		for _, r := range rowsBelow(string(text), f.section) {
			keys = append(keys, r.key)
			require.NotEmpty(t, r.ours, "%s: %s", f.section, r.key)
			require.False(t, r.ours == "-" && r.remark == "", "%s: %s is missing and no reason is given", f.section, r.key)
		}
		require.Equal(t, f.keys, keys, f.section)
		total += len(keys)
	}
	require.Equal(t, 80+84+24+43+41, total, "of the server, the client, WebSockets, the scenarios, and what is left out")
}

// api holds the exported names of the module's packages, such as "chanio.Conn" and "chanio.Conn.TLS".
type api struct {
	names    map[string]bool
	embedded map[string][]string // of a type, "chanio.Conn", and the type of a variable
	packages map[string]bool
}

func readAPI(t *testing.T) *api {
	a := &api{map[string]bool{}, map[string][]string{}, map[string]bool{}}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && slices.Contains([]string{"internal", "bench", "docs", "testdata", ".git", ".ci"}, d.Name()):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			a.add(file)
		}
		return err
	}))
	return a
}

func (a *api) add(file *ast.File) {
	pkg := file.Name.Name
	a.packages[pkg] = true
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			owner := ""
			if decl.Recv != nil {
				owner = baseName(decl.Recv.List[0].Type) + "."
			}
			a.names[pkg+"."+owner+decl.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				a.addSpec(pkg, spec)
			}
		}
	}
}

func (a *api) addSpec(pkg string, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			a.names[pkg+"."+name.Name] = true
		}
		if len(spec.Values) == 1 { // a variable has the members of its type
			if value, ok := spec.Values[0].(*ast.CompositeLit); ok {
				a.embedded[pkg+"."+spec.Names[0].Name] = []string{pkg + "." + baseName(value.Type)}
			}
		}
	case *ast.TypeSpec:
		name := pkg + "." + spec.Name.Name
		a.names[name] = true
		var members *ast.FieldList
		switch of := spec.Type.(type) {
		case *ast.StructType:
			members = of.Fields
		case *ast.InterfaceType:
			members = of.Methods
		default:
			return
		}
		for _, member := range members.List {
			for _, n := range member.Names {
				a.names[name+"."+n.Name] = true
			}
			if base := baseName(member.Type); len(member.Names) == 0 && base != "" {
				if !strings.Contains(base, ".") {
					base = pkg + "." + base
				}
				a.embedded[name] = append(a.embedded[name], base)
			}
		}
	}
}

// baseName is the name of a type without pointers and parameters.
func baseName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return baseName(e.X)
	case *ast.IndexExpr:
		return baseName(e.X)
	case *ast.IndexListExpr:
		return baseName(e.X)
	case *ast.SelectorExpr:
		return baseName(e.X) + "." + e.Sel.Name
	}
	return ""
}

// has reports whether a name with its package exists, possibly through an embedded type.
func (a *api) has(name string) bool {
	if a.names[name] {
		return true
	}
	at := strings.LastIndex(name, ".")
	for _, base := range a.embedded[name[:at]] {
		if strings.Count(name, ".") == 2 && a.has(base+name[at:]) {
			return true
		}
	}
	return false
}

// bare reports whether a name without its package is in one of the packages, or a member of some type.
func (a *api) bare(name string, packages []string) bool {
	name = halves.Replace("." + name)[1:]
	for _, pkg := range packages {
		if a.has(pkg + "." + name) {
			return true
		}
	}
	for known := range a.names { // a member of some type
		if strings.Count(known, ".") == 2 && strings.HasSuffix(known, "."+name) {
			return true
		}
	}
	return false
}

// halves are the types of the members In and Out of a Duplex.
var halves = strings.NewReplacer(".In.", ".Source.", ".Out.", ".Sink.")

var (
	span = regexp.MustCompile("`([^`]+)`")
	goes = regexp.MustCompile(`^\*?(?:([a-z]\w*)\.)?([A-Z]\w*(?:\.[A-Z]\w*)*)(?:$|[(\[])`)

	// elsewhere are packages of the standard library, and variables, that the page mentions.
	elsewhere = strings.Fields("bufio bytes context errors hex http io net netip os slog strings sync syscall time tls src f")
)

// unknown returns the names in the code of a text that do not exist. A name without a package is in one of the given
// ones, or in one that the text has named before.
func (a *api) unknown(text string, packages ...string) (bad []string) {
	for _, m := range span.FindAllStringSubmatch(text, -1) {
		name := goes.FindStringSubmatch(m[1])
		if name != nil && a.packages[name[1]] {
			packages = append(packages, name[1])
		}
		switch {
		case name == nil, slices.Contains(elsewhere, name[1]):
		case name[1] == "" && a.bare(name[2], packages):
		case name[1] != "" && a.packages[name[1]] && a.has(name[1]+"."+name[2]):
		default:
			bad = append(bad, m[1])
		}
	}
	return bad
}

func TestNamesOnThePageOfAlephExist(t *testing.T) {
	a := readAPI(t)
	text, err := os.ReadFile(alephPage)
	require.NoError(t, err)
	checked, packages := 0, []string{}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "## ") {
			packages = []string{"chanio"}
			if strings.Contains(line, "deferreds") {
				packages = append(packages, "future")
			}
		}
		if m := leftOut.FindStringSubmatch(line); m != nil {
			packages = append(packages, m[1])
		}
		if cells := strings.SplitN(strings.Trim(line, "|"), "|", 2); strings.HasPrefix(line, "| ") && len(cells) == 2 {
			for _, name := range a.unknown(cells[1], packages...) {
				t.Errorf("%s:%d: there is no %s", alephPage, i+1, name)
			}
			checked++
		}
	}
	require.Greater(t, checked, 400)
	require.Empty(t, a.unknown("`chanio.PacketConn.Close` `Conn.TLS` `*httpd.StreamError` `http.Handler` `From(future.C())`", "chanio"))
	require.Equal(t, []string{"Zip"}, a.unknown("`Zip` `Any`", "chanio", "future"), "it is in package pipeline")
	require.Equal(t, []string{"chanio.Nothing", "httpd.Config.Nothing", "httpx.Get", "Nothing"},
		a.unknown("`chanio.Nothing` `httpd.Config.Nothing` `httpx.Get` `Nothing`"))
}

// leftOut matches the head of a table that leaves out the name of a package.
var leftOut = regexp.MustCompile("^\\| .* weir, package `(\\w+)` \\|")

// TestNamesOnAllPagesExist checks that every pkg.Name and Type.Member on a page exists.
func TestNamesOnAllPagesExist(t *testing.T) {
	a := readAPI(t)
	checked := 0
	for _, page := range append(pagesHere(t), filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range span.FindAllStringSubmatch(code.ReplaceAllStringFunc(string(text), onlySpans), -1) {
			name := goes.FindStringSubmatch(m[1])
			if name == nil || name[1] == "" && !strings.Contains(name[2], ".") || name[1] != "" && !a.packages[name[1]] ||
				running.MatchString(name[2]) { // other tests check the names of tests
				continue
			}
			checked++
			if len(a.unknown(m[0], "chanio", "codec")) > 0 {
				t.Errorf("%s: there is no %s", page, m[1])
			}
		}
	}
	require.Greater(t, checked, 500)
}

func pagesHere(t *testing.T) []string {
	found, err := filepath.Glob("*.md")
	require.NoError(t, err)
	return found
}

// onlySpans keeps code within a line and drops blocks.
func onlySpans(text string) string {
	if strings.HasPrefix(text, "```") {
		return ""
	}
	return text
}
