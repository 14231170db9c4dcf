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
		ast.Inspect(tree, c.visit)
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

func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		c.replace(n.Cond, "!("+c.text(n.Cond)+")", "condition negated")
		if returnsError(n.Body) {
			c.replace(n.Body, "{}", "error not returned")
		}
	case *ast.ForStmt:
		if n.Cond != nil {
			c.replace(n.Cond, "!("+c.text(n.Cond)+")", "condition negated")
		}
	case *ast.BinaryExpr:
		if to, ok := shifted[n.Op]; ok {
			at := c.pos.Position(n.OpPos).Offset
			c.add(n, at, at+len(n.Op.String()), to, "comparison shifted")
		}
	case *ast.ReturnStmt:
		if len(n.Results) > 0 && isError(n.Results[len(n.Results)-1]) {
			c.replace(n.Results[len(n.Results)-1], "nil", "nil returned for an error")
		}
	case *ast.ExprStmt:
		c.replace(n, "", "call left out")
	case *ast.DeferStmt:
		c.replace(n, "", "defer left out")
	}
	return true
}

// returnsError reports whether a block ends with a return of something that looks like an error.
func returnsError(b *ast.BlockStmt) bool {
	if len(b.List) == 0 {
		return false
	}
	r, ok := b.List[len(b.List)-1].(*ast.ReturnStmt)
	return ok && len(r.Results) > 0 && isError(r.Results[len(r.Results)-1])
}

func isError(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return strings.HasPrefix(e.Name, "err") || strings.HasPrefix(e.Name, "Err")
	case *ast.SelectorExpr:
		return isError(e.Sel) || e.Sel.Name == "EOF"
	}
	return false
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
