// Command mutate asks whether the tests notice faults: it plants one fault after another into copies of source files and
// runs tests on each.
//
//	go run ./internal/mutate [-n 100] [-seed 1] [-tests PATTERNS] [-only FILE] DIR...
//
// A fault is a condition that is negated, a comparison that is shifted by one, an error that is not returned or returned as
// nil, or a call or defer that is left out. The files themselves are not touched: the go command is given an overlay. A
// fault that does not compile is not counted. Each survivor is printed with its place and text; some change nothing that
// a caller can see, which only a reader can tell.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// mutant is one fault: it replaces the bytes of a file from start to end.
type mutant struct {
	file       string
	line       int
	start, end int
	text       string // the replacement
	what       string
}

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 100, "how many faults that compile")
	seed := flag.Uint64("seed", 1, "seed of the sample")
	tests := flag.String("tests", "", "packages whose tests run, separated by spaces; by default those of the mutated directory")
	only := flag.String("only", "", "mutate only files whose name contains this")
	race := flag.Bool("race", false, "run the tests with the race detector")
	timeout := flag.Duration("timeout", 2*time.Minute, "bound on the tests of one fault, after which it counts as noticed")
	flag.Parse()
	var all []mutant
	for _, dir := range flag.Args() {
		found, err := mutantsOf(dir, *only)
		if err != nil {
			log.Fatal(err)
		}
		all = append(all, found...)
	}
	r := rand.New(rand.NewPCG(*seed, *seed))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	killed, survived := 0, 0
	for _, m := range all {
		if killed+survived == *n {
			break
		}
		patterns := strings.Fields(*tests)
		if len(patterns) == 0 {
			patterns = []string{"./" + filepath.Dir(m.file)}
		}
		switch verdict, err := run(m, patterns, *race, *timeout); {
		case err != nil:
			log.Fatal(err)
		case verdict == "killed":
			killed++
		case verdict == "survived":
			survived++
			fmt.Printf("SURVIVED %s:%d: %s\n\t%s\n", m.file, m.line, m.what, oneLine(m))
		}
	}
	fmt.Printf("%d faults of %d places (seed %d): %d noticed, %d survived\n", killed+survived, len(all), *seed, killed, survived)
}

// mutantsOf returns all faults for the Go files of dir that are built on this system.
func mutantsOf(dir, only string) (all []mutant, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if ok, err := build.Default.MatchFile(filepath.Split(file)); err != nil || !ok ||
			strings.HasSuffix(file, "_test.go") || !strings.Contains(filepath.Base(file), only) {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, file, src, 0)
		if err != nil {
			return nil, err
		}
		c := collector{file: file, src: src, pos: set}
		c.walk(tree, nil)
		all = append(all, c.found...)
	}
	return all, nil
}

// collector collects the faults of one file.
type collector struct {
	file  string
	src   []byte
	pos   *token.FileSet
	found []mutant
}

var shifted = map[token.Token]string{
	token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">", token.EQL: "!=", token.NEQ: "==",
}

// walk collects the faults below n, a node of a function of type f.
func (c *collector) walk(n ast.Node, f *ast.FuncType) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body != nil {
				c.walk(n.Body, n.Type)
			}
			return false
		case *ast.FuncLit:
			c.walk(n.Body, n.Type)
			return false
		}
		c.visit(n, f)
		return true
	})
}

func (c *collector) visit(n ast.Node, f *ast.FuncType) {
	switch n := n.(type) {
	case *ast.IfStmt:
		c.negate(n.Cond)
		if last := len(n.Body.List) - 1; last >= 0 && returnedError(n.Body.List[last], f) != nil {
			c.replace(n.Body, "{}", "error not returned")
		}
	case *ast.ForStmt:
		if n.Cond != nil {
			c.negate(n.Cond)
		}
	case *ast.BinaryExpr:
		if to, ok := shifted[n.Op]; ok {
			at := c.pos.Position(n.OpPos).Offset
			c.add(n, at, at+len(n.Op.String()), to, "comparison shifted")
		}
	case *ast.ReturnStmt:
		if err := returnedError(n, f); err != nil {
			c.replace(err, "nil", "nil returned for an error")
		}
	case *ast.ExprStmt:
		c.replace(n, "", "call left out")
	case *ast.DeferStmt:
		c.replace(n, "", "defer left out")
	}
}

// returnedError returns what a statement of a function of type f returns as an error, or nil.
func returnedError(s ast.Stmt, f *ast.FuncType) ast.Expr {
	r, ok := s.(*ast.ReturnStmt)
	if !ok || len(r.Results) == 0 || f == nil || len(r.Results) != f.Results.NumFields() {
		return nil
	}
	last := r.Results[len(r.Results)-1]
	if isNamed(last, "nil") || !isNamed(f.Results.List[len(f.Results.List)-1].Type, "error") {
		return nil
	}
	return last
}

func isNamed(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func (c *collector) negate(condition ast.Expr) {
	c.replace(condition, "!("+c.text(condition)+")", "condition negated")
}

func (c *collector) text(n ast.Node) string {
	return string(c.src[c.pos.Position(n.Pos()).Offset:c.pos.Position(n.End()).Offset])
}

func (c *collector) replace(n ast.Node, text, what string) {
	c.add(n, c.pos.Position(n.Pos()).Offset, c.pos.Position(n.End()).Offset, text, what)
}

func (c *collector) add(n ast.Node, start, end int, text, what string) {
	c.found = append(c.found, mutant{c.file, c.pos.Position(n.Pos()).Line, start, end, text, what})
}

// run tests one fault: it is killed, survives, or does not compile.
func run(m mutant, patterns []string, race bool, timeout time.Duration) (verdict string, err error) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, bytes.Join([][]byte{src[:m.start], []byte(m.text), src[m.end:]}, nil), 0o600); err != nil {
		return "", err
	}
	name, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{name: changed}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	if !passes(timeout, "build", "-overlay", list, "./"+filepath.Dir(m.file)) {
		return "does not compile", nil
	}
	args := []string{"test", "-overlay", list, "-count=1", "-failfast", "-vet=off", "-timeout", timeout.String()}
	if race {
		args = append(args, "-race")
	}
	if passes(timeout+time.Minute, append(args, patterns...)...) {
		return "survived", nil
	}
	return "killed", nil
}

func passes(timeout time.Duration, args ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return exec.CommandContext(ctx, "go", args...).Run() == nil
}

// oneLine shows what the fault replaces.
func oneLine(m mutant) string {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s -> %s", strings.Join(strings.Fields(string(src[m.start:m.end])), " "), m.text)
}
