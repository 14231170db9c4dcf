package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/types"
	"slices"
	"strings"

	"github.com/weir-go/weir/codec"
)

// function is the body of a method that is being written.
type function struct {
	*emitter
	fail  string          // what is returned before the error
	known map[string]bool // variables that are declared
	fails bool            // it returns an error
	later []func()        // the code to write after it
}

// set returns the names with := or =, as they are known already or not.
func (f *function) set(names ...string) string {
	assign := " ="
	for _, name := range names {
		if !f.known[name] && name != "err" {
			assign = " :="
			f.known[name] = true
		}
	}
	return strings.Join(names, ", ") + assign
}

func (f *function) constant(p *part) string {
	return f.variable("Const", new(int), func() string { return fmt.Sprintf("%s(%q)", f.ours("Const"), p.text) })
}

// failing writes what is done with an error of a field, when condition holds.
func (f *function) failing(condition, wrap, name, err string) {
	f.line("if %s {", condition)
	f.failed(wrap, name, err)
}

// failed ends a block that returns an error of a field.
func (f *function) failed(wrap, name, err string) {
	f.fails = true
	if element, ok := strings.CutSuffix(name, "[]"); ok {
		err = fmt.Sprintf("%s(\"%s[\" + %s(i) + \"]\", %s)", wrap, element, f.std("strconv", "Itoa"), err)
	} else if name != "" {
		err = fmt.Sprintf("%s(%q, %s)", wrap, name, err)
	}
	f.line("return %s%s\n}", f.fail, err)
}

func (f *function) try(assign, name string) {
	f.failing(assign+"; err != nil", f.wrap(), name, "err")
}

func (f *function) check(name string) { f.failing("err != nil", f.wrap(), name, "err") }

// wrap is the function that puts the name of a field before an error.
func (f *function) wrap() string {
	if strings.HasPrefix(f.fail, "dst") {
		return f.ours("WrapField")
	}
	return "r.WrapField"
}

func (f *function) append(parts []part) {
	for len(parts) > 0 {
		n, texts := 0, false
		for ; n < len(parts) && (parts[n].kind == numbers || parts[n].kind == text); n++ {
			texts = texts || parts[n].kind == text
		}
		switch {
		case texts:
			f.together(parts[:n])
		case n > 0:
			f.store(&parts[0])
		default:
			n = 1
			f.appendPart(&parts[0])
		}
		parts = parts[n:]
	}
}

// appendPart appends what is neither numbers nor a text behind its length.
func (f *function) appendPart(p *part) {
	switch p.kind {
	case rest:
		f.appendText(p)
	case values:
		f.try(fmt.Sprintf("dst, err = %s.Append(dst, v%s)", f.list(p), p.expr), p.name)
	case array:
		f.each(p, "dst, err = %s.Append(dst, %s)")
	case constant:
		f.line("dst = append(dst, %q...)", p.text)
	case skipped:
		f.line("dst = append(dst, make([]byte, %d)...)", p.width)
	}
}

// together writes the encoding of numbers and texts. What may be wrong with them is found first, in their order, and then
// there is room for all of them at once.
func (f *function) together(parts []part) {
	size, texts := 0, ""
	for i := range parts {
		p := &parts[i]
		size += p.width
		for _, n := range p.numbers {
			f.misfit(n)
		}
		if p.kind == text {
			f.checkText(p)
			size += p.length.width
			texts += "+len(v" + p.expr + ")"
		}
	}
	f.line("%s len(dst)", f.set("n"))
	f.line("dst = %s(dst, %d%s)[:n+%d%s]", f.std("slices", "Grow"), size, texts, size, texts)
	f.line("%s dst[n:]", f.set("p"))
	at := 0 // in p
	for i := range parts {
		p := &parts[i]
		if at == 0 {
			f.hint(parts[i:])
		}
		for _, n := range p.numbers {
			f.put(n, at)
			at += n.size
		}
		if p.kind == text {
			f.putBits(p.length.bits("len(v"+p.expr+")"), p.length.width, p.length.le(), at)
			f.putText(p, at+p.length.width, i == len(parts)-1)
			at = 0
		}
	}
}

// checkText refuses a text that is too long or not UTF-8.
func (f *function) checkText(p *part) {
	if p.utf8 { // first, as Prefixed does
		text := f.converted("string", p.field)
		f.reject(p.field, fmt.Sprintf("!%s(%s)", f.std("unicode/utf8", "ValidString"), text), f.ours("String"), text)
	}
	length := f.length(p)
	f.reject(p.field, fmt.Sprintf("len(v%s) > %s.Max()", p.expr, length), length, "len(v"+p.expr+")")
}

// reject refuses a value for which condition holds, with the error that codec has for it.
func (f *function) reject(of field, condition, codec, value string) {
	f.line("if %s {\n_, err = %s.Append(nil, %s)", condition, codec, value)
	f.failed(f.wrap(), of.name, "err")
}

// putText stores a text at p[at]. What follows lies at p[0].
func (f *function) putText(p *part, at int, last bool) {
	if last {
		f.line("copy(%s, v%s)", from(at), p.expr)
	} else {
		f.line("p = p[%d+copy(%s, v%s):]", at, from(at), p.expr)
	}
}

// hint writes the one check of bounds for all that lies before the next text.
func (f *function) hint(parts []part) {
	width := parts[0].width
	if parts[0].kind == text {
		width = parts[0].length.width
	} else if len(parts) > 1 {
		width += parts[1].length.width
	}
	if width > 1 {
		f.line("_ = p[%d]", width-1)
	}
}

// length returns the variable of the length of a text.
func (f *function) length(p *part) string {
	return f.variable(p.name+"Length", p.length, func() string {
		return fmt.Sprintf("%s(%s%s)", f.ours("NewLength"), f.ours(p.length.codec), f.max(p.length, codec.DefaultMax))
	})
}

// list returns the variable of the codec of a slice.
func (f *function) list(p *part) string {
	return f.variable(p.name, p.length, func() string {
		item := f.item(p)
		return fmt.Sprintf("%s(%s, %s%s)", f.ours("Repeated"), f.ours(p.length.codec), item, f.max(p.length, codec.DefaultMaxCount))
	})
}

// max is the option of a length for a limit other than that which it has anyway.
func (e *emitter) max(l *length, most int) string {
	if l.max == l.otherwise(most) {
		return ""
	}
	return fmt.Sprintf(", %s(%d)", e.ours("Max"), l.max)
}

// each writes a loop over an array.
func (f *function) each(p *part, call string) {
	item := f.item(p)
	if strings.HasSuffix(item, "}") {
		item = "(" + item + ")" // Go wants it in an if
	}
	f.line("for i := range v%s {", p.expr)
	f.failing(fmt.Sprintf(call, item, "v"+p.expr+"[i]")+"; err != nil", f.wrap(), p.name+"[]", "err")
	f.line("}")
}

// item returns the codec of the values of a slice or array.
func (f *function) item(p *part) string {
	only := p.elem.parts[0]
	if _, basic := types.Unalias(p.elemOf).(*types.Basic); basic && only.kind == numbers {
		return f.ours(codecOf(only.numbers[0]))
	}
	key := any(p.elem)
	if _, structure := p.elemOf.Underlying().(*types.Struct); structure {
		key = p.elemOf.String() // its tags are in its type
	}
	if f.made[key] == "" {
		f.made[key] = f.unique(f.prefix() + exported(p.name) + "Item")
		of := f.nameable(p.name, p.elemOf)
		if slices.ContainsFunc(f.params, func(param string) bool { return mentions(of, param) }) {
			f.err = fmt.Errorf("%s.%s: the elements depend on a type parameter; declare a type that is an instance", f.of, p.name)
		}
		f.queue = append(f.queue, func() { f.element(f.made[key], of, p.elem) })
	}
	return f.made[key] + "{}"
}

func (f *function) appendText(p *part) {
	if !p.utf8 {
		f.line("dst = append(dst, v%s...)", p.expr)
		return
	}
	f.try(fmt.Sprintf("dst, err = %s.Append(dst, %s)", f.ours("String"), f.converted("string", p.field)), p.name)
}

func (f *function) decode(parts []part) {
	for i := range parts {
		p := &parts[i]
		target := "v" + p.expr
		switch p.kind {
		case numbers:
			f.load(p)
		case text:
			f.line("%s %s.Decode(r)", f.set("n", "err"), f.length(p))
			f.check(p.name)
			f.text(p, fmt.Sprintf("r.%s(n)", textMethod(p)))
		case rest:
			f.text(p, f.ours(map[string]string{"Bytes": "Bytes", "Text": "RawString", "UTF8": "String"}[textMethod(p)])+".Decode(r)")
		case values:
			f.try(fmt.Sprintf("%s, err = %s.Decode(r)", target, f.list(p)), p.name)
		case array:
			f.each(p, "%[2]s, err = %[1]s.Decode(r)")
		case constant:
			f.try(fmt.Sprintf("_, err = %s.Decode(r)", f.constant(p)), p.name)
		case skipped:
			f.try(fmt.Sprintf("err = r.Skip(%d)", p.width), p.name)
		}
	}
}

func textMethod(p *part) string {
	switch {
	case !isString(p.of):
		return "Bytes"
	case p.utf8:
		return "UTF8"
	}
	return "Text"
}

// text writes the decoding of a text by a call. A []byte can be assigned to any type of them.
func (f *function) text(p *part, call string) {
	if !isString(p.of) || p.of.String() == "string" {
		f.try(fmt.Sprintf("v%s, err = %s", p.expr, call), p.name)
		return
	}
	f.line("%s %s", f.set("s", "err"), call)
	f.check(p.name)
	f.line("v%s = %s(s)", p.expr, f.nameable(p.name, p.of))
}

// converted is a value as one of the basic type that is called name, if it is not of that type already.
func (e *emitter) converted(name string, f field) string {
	if types.Unalias(f.of).String() == name {
		return "v" + f.expr
	}
	return fmt.Sprintf("%s(v%s)", name, f.expr)
}

// mentions reports whether a type, as Go writes it, has this name in it.
func mentions(of, name string) (found bool) {
	x, err := parser.ParseExpr(of)
	if err != nil {
		return true
	}
	ast.Inspect(x, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && id.Name == name
		return true
	})
	return found
}
