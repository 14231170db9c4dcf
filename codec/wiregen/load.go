package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// source is the package that the codecs are written for.
type source struct {
	fset       *token.FileSet
	files      []*file // all Go files of the directory but the one that is written
	pkg        *types.Package
	constraint string          // of the files that declare the types
	errs       []types.Error   // what is wrong in the package; it may be that what is written mends it
	declared   map[string]bool // names at the top level of any file
}

// file is a Go file.
type file struct {
	*ast.File
	name       string
	constraint string
	chosen     bool // by the build context
}

// load checks the package in dir that declares the named types, without the file out.
func load(dir, out string, names []string) (*source, error) {
	s := &source{fset: token.NewFileSet(), declared: map[string]bool{}}
	if err := s.parse(dir, out); err != nil {
		return nil, err
	}
	home, err := s.home(dir, names)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(out, "_test.go") && strings.HasSuffix(home.name, "_test.go") {
		return nil, fmt.Errorf("%s is declared in %s: write a test file too, such as -o wire_gen_test.go", names[0], home.name)
	}
	s.constraint = home.constraint
	var near, files []*ast.File // of what is declared twice, for different systems, the first counts
	for _, f := range s.files {
		switch {
		case f.Name.Name != home.Name.Name || strings.HasSuffix(f.name, "_test.go") && !strings.HasSuffix(out, "_test.go"):
		case f.constraint == home.constraint:
			near = append(near, f.File)
		case f.chosen:
			files = append(files, f.File)
		}
	}
	files = append(near, files...)
	config := types.Config{
		Importer: exports(s.fset, dir, files), FakeImportC: true, IgnoreFuncBodies: true,
		Error: func(err error) { s.errs = append(s.errs, err.(types.Error)) },
	}
	s.pkg, _ = config.Check(home.Name.Name, s.fset, files, nil)
	return s, nil
}

// parse reads the files of dir. Those that are not Go are an error if they are part of the package.
func (s *source) parse(dir, out string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if name == filepath.Base(out) {
			continue
		}
		chosen, _ := build.Default.MatchFile(dir, name)
		parsed, err := parser.ParseFile(s.fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil && chosen {
			return err
		} else if err != nil {
			continue
		}
		s.files = append(s.files, &file{parsed, name, constraintOf(name, parsed), chosen})
		for _, d := range parsed.Decls {
			s.declare(d)
		}
	}
	return nil
}

// declare notes the names that a declaration adds to the package.
func (s *source) declare(d ast.Decl) {
	if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
		s.declared[f.Name.Name] = true
	}
	g, ok := d.(*ast.GenDecl)
	if !ok {
		return
	}
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			s.declared[spec.Name.Name] = true
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				s.declared[name.Name] = true
			}
		}
	}
}

// home returns the file that declares the types: of several, for different systems, the one that go generate is at or that
// the build context chooses.
func (s *source) home(dir string, names []string) (home *file, err error) {
	for _, name := range names {
		var best *file
		for _, f := range s.files {
			if f.declares(name) && (best == nil || f.rank() > best.rank()) {
				best = f
			}
		}
		switch {
		case best == nil:
			return nil, fmt.Errorf("%s has no type %s", dir, name)
		case home != nil && (best.constraint != home.constraint || best.Name.Name != home.Name.Name):
			return nil, fmt.Errorf("%s and %s have different build constraints or packages: write a file for each, with -o", names[0], name)
		}
		home = cmp.Or(home, best)
	}
	return home, nil
}

func (f *file) rank() int {
	if f.name == os.Getenv("GOFILE") {
		return 2
	}
	if f.chosen {
		return 1
	}
	return 0
}

func (f *file) declares(name string) bool {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		for i := 0; ok && i < len(g.Specs); i++ {
			if t, ok := g.Specs[i].(*ast.TypeSpec); ok && t.Name.Name == name {
				return true
			}
		}
	}
	return false
}

// exports returns an importer of what the files import, by the export data of the go command. What is missing there, such as a
// package that does not compile, makes the types of fields invalid, and these are refused.
func exports(fset *token.FileSet, dir string, files []*ast.File) types.Importer {
	args, at := []string{"list", "-e", "-export", "-f", "{{.ImportPath}}\t{{.Export}}", "--"}, map[string]string{}
	for _, f := range files {
		for _, spec := range f.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err == nil && path != "C" && path != "unsafe" {
				args = append(args, path)
			}
		}
	}
	if args[len(args)-1] != "--" {
		list := exec.Command("go", args...)
		list.Dir = dir
		text, _ := list.Output() // with -e a failure is that of a package, and the others are listed
		for line := range strings.Lines(string(bytes.TrimSpace(text))) {
			path, export, _ := strings.Cut(strings.TrimSpace(line), "\t")
			at[path] = export
		}
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if at[path] == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(at[path])
	})
}

// reason returns what the type checker said about the line of pos, or that the type is unknown.
func (s *source) reason(pos token.Pos) string {
	for _, err := range s.errs {
		if a, b := s.fset.Position(err.Pos), s.fset.Position(pos); a.Filename == b.Filename && a.Line == b.Line {
			return err.Msg
		}
	}
	return "its type is unknown"
}
