package main

import (
	"cmp"
	"go/ast"
	"go/build"
	"go/build/constraint"
	"io"
	"strings"
)

// constraintOf returns the build constraint of a file, of its name too. It is empty if there is none.
func constraintOf(name string, f *ast.File) string {
	all := nameConstraints(name)
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() < f.Package && constraint.IsGoBuild(c.Text) {
				if x, err := constraint.Parse(c.Text); err == nil {
					all = append(all, x)
				}
			}
		}
	}
	for _, spec := range f.Imports {
		if spec.Path.Value == `"C"` {
			all = append(all, &constraint.TagExpr{Tag: "cgo"})
		}
	}
	if len(all) == 0 {
		return ""
	}
	sum := all[0]
	for _, x := range all[1:] {
		sum = &constraint.AndExpr{X: sum, Y: x}
	}
	return sum.String()
}

// nameConstraints returns what a name such as x_linux_arm64_test.go says.
func nameConstraints(name string) (all []constraint.Expr) {
	name, _, _ = strings.Cut(name, ".")
	parts := strings.Split(strings.TrimSuffix(name, "_test"), "_")[1:]
	n := len(parts)
	if n >= 2 && names(parts[n-2], "") && names("", parts[n-1]) {
		return []constraint.Expr{&constraint.TagExpr{Tag: parts[n-2]}, &constraint.TagExpr{Tag: parts[n-1]}}
	}
	if n >= 1 && (names(parts[n-1], "") || names("", parts[n-1])) {
		return []constraint.Expr{&constraint.TagExpr{Tag: parts[n-1]}}
	}
	return nil
}

// names reports whether a file name may name this system or architecture. The go command has the list: a name that is on it
// matches in a context for it only.
func names(system, arch string) bool {
	return !matches(system+arch, "", "") && matches(system+arch, system, arch)
}

func matches(word, system, arch string) bool {
	c := build.Default
	c.GOOS, c.GOARCH = cmp.Or(system, "?"), cmp.Or(arch, "?")
	c.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("package p")), nil }
	ok, _ := c.MatchFile("", "x_"+word+".go")
	return ok
}
