package main

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
)

// generate returns the file for the named types of the package in dir, without looking at the file out, which it replaces.
func generate(dir, out string, names []string) ([]byte, error) {
	pkg, err := load(dir, out)
	if err != nil {
		return nil, err
	}
	e := &emitter{pkg: pkg, imports: map[string]bool{"slices": true}}
	for _, name := range names {
		object, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			return nil, fmt.Errorf("%s has no type %s", dir, name)
		}
		structure, ok := object.Type().Underlying().(*types.Struct)
		if !ok {
			return nil, fmt.Errorf("%s is not a struct", name)
		}
		l := &layout{}
		if err := l.addStruct(name, "v", structure); err != nil {
			return nil, err
		}
		if len(l.fields) == 0 {
			return nil, fmt.Errorf("%s has no fields that are in the frame", name)
		}
		e.emit(name, l)
	}
	return e.file(names)
}

// load checks the types of the package in dir, except for its tests and the file out. What cannot be found out, such as
// what is in out, is an invalid type and is refused where it matters.
func load(dir, out string) (*types.Package, error) {
	fset := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, path := range paths {
		if base := filepath.Base(path); base == filepath.Base(out) || strings.HasSuffix(base, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no Go files", dir)
	}
	config := types.Config{
		Importer: standard{importer.ForCompiler(fset, "source", nil)}, FakeImportC: true, IgnoreFuncBodies: true,
		Error: func(error) {}, // see above
	}
	pkg, _ := config.Check(files[0].Name.Name, fset, files, nil)
	return pkg, nil
}

// standard imports packages of the standard library only.
type standard struct{ types.Importer }

func (s standard) Import(path string) (*types.Package, error) {
	if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
		return nil, fmt.Errorf("%s is not of the standard library", path)
	}
	return s.Importer.Import(path)
}
