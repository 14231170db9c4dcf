package main

import (
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

// nameConstraints returns what a name such as x_linux_arm64_test.go says. The go command has the list of the words that
// count: with such a word a name matches only in a context for it.
func nameConstraints(name string) (all []constraint.Expr) {
	name, _, _ = strings.Cut(name, ".")
	parts := strings.Split(strings.TrimSuffix(name, "_test"), "_")[1:]
	n := len(parts)
	if n == 0 || matches(parts[n-1], "?") {
		return nil
	}
	if n >= 2 && !matches(parts[n-2]+"_"+parts[n-1], parts[n-1]) {
		all = append(all, &constraint.TagExpr{Tag: parts[n-2]})
	}
	return append(all, &constraint.TagExpr{Tag: parts[n-1]})
}

// matches reports whether a file name that ends in these words is one for a system.
func matches(words, system string) bool {
	c := build.Default
	c.GOOS, c.GOARCH = system, "?"
	c.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("package p")), nil }
	ok, _ := c.MatchFile("", "x_"+words+".go")
	return ok
}
