package main

import (
	"fmt"
	"go/types"
)

// store writes the encoding of numbers.
func (f *function) store(p *part) {
	switch one := p.numbers[0]; {
	case len(p.numbers) > 1 || one.form == boolean || one.form == narrow:
		f.together([]part{*p})
	case one.form == octets:
		f.line("dst = append(dst, v%s[:]...)", one.expr)
	default:
		f.appendOne(one)
	}
}

func (f *function) appendOne(n field) {
	if n.size == 1 {
		f.line("dst = append(dst, %s)", f.bits(n))
	} else {
		f.line("dst = %s.AppendUint%d(dst, %s)", f.order(n.le), 8*n.size, f.bits(n))
	}
}

// misfit refuses a number that 24 bits do not hold.
func (f *function) misfit(n field) {
	switch {
	case n.form != narrow:
	case signed(n.of):
		f.reject(n, fmt.Sprintf("v%s < -1<<23 || v%s > 1<<23-1", n.expr, n.expr), f.ours("Int24"), f.converted("int32", n))
	default:
		f.reject(n, fmt.Sprintf("v%s > 1<<24-1", n.expr), f.ours("Uint24"), f.converted("uint32", n))
	}
}

// put stores a number at p[at].
func (f *function) put(n field, at int) {
	switch {
	case n.form == boolean:
		f.line("p[%d] = 0", at)
		f.line("if v%s {\np[%d] = 1\n}", n.expr, at)
	case n.form == octets:
		f.line("copy(%s, v%s[:])", from(at), n.expr)
	case n.form == narrow:
		f.putBits("v"+n.expr, n.size, n.le, at)
	default:
		f.putBits(f.bits(n), n.size, n.le, at)
	}
}

// putBits stores an integer, of three bytes or of the type that has its size.
func (f *function) putBits(value string, size int, le bool, at int) {
	switch size {
	case 1:
		f.line("p[%d] = %s", at, value)
	case 3:
		high, low := at, at+2
		if le {
			high, low = low, high
		}
		f.line("p[%d], p[%d], p[%d] = byte(%s>>16), byte(%s>>8), byte(%s)", high, at+1, low, value, value, value)
	default:
		f.line("%s.PutUint%d(%s, %s)", f.order(le), 8*size, from(at), value)
	}
}

// bits is a number as the unsigned integer of its width.
func (f *function) bits(n field) string {
	if n.form == float {
		return fmt.Sprintf("%s(%s)", f.std("math", fmt.Sprintf("Float%dbits", 8*n.size)), f.converted(fmt.Sprintf("float%d", 8*n.size), n))
	}
	if of := types.Unalias(n.of).String(); of == "byte" {
		return "v" + n.expr
	}
	return f.converted(fmt.Sprintf("uint%d", 8*n.size), n)
}

func (f *function) order(le bool) string {
	if le {
		return f.std("encoding/binary", "LittleEndian")
	}
	return f.std("encoding/binary", "BigEndian")
}

// load writes the decoding of numbers: of one by the method of Reader for it, of more from bytes that are taken at once.
func (f *function) load(p *part) {
	if len(p.numbers) == 1 && f.loadOne(p.numbers[0]) {
		return
	}
	f.line("%s r.Next(%d)", f.set("p", "err"), p.width)
	if one := p.numbers[0]; len(p.numbers) == 1 && one.form != octets {
		f.check(one.name)
	} else {
		f.failing("err != nil", "", "", f.cut(p))
	}
	at := 0
	for _, n := range p.numbers {
		if n.form == boolean {
			invalid := fmt.Sprintf("r.Fail(r.Offset()-%d, %s(\"%%w: invalid bool %%d, want 0 or 1\", %s, p[%d]))", p.width-at, f.std("fmt", "Errorf"), f.ours("ErrMalformed"), at)
			f.failing(fmt.Sprintf("p[%d] > 1", at), f.wrap(), n.name, invalid)
		}
		at += n.size
	}
	at = 0
	for _, n := range p.numbers {
		if n.form == octets {
			f.line("copy(v%s[:], %s)", n.expr, from(at))
		} else {
			f.line("v%s = %s", n.expr, f.get(n, at))
		}
		at += n.size
	}
}

// loadOne writes the decoding of a number whose type is what Reader returns.
func (f *function) loadOne(n field) bool {
	method, of := fmt.Sprintf("Uint%d", 8*n.size), types.Unalias(n.of).String()
	switch {
	case n.form == boolean && of == "bool":
		method = "Bool"
	case n.form == integer && (of == fmt.Sprintf("uint%d", 8*n.size) || of == "byte"), n.form == narrow && of == "uint32":
		if n.le && n.size > 1 {
			method += "LE"
		}
	default:
		return false
	}
	f.try(fmt.Sprintf("v%s, err = r.%s()", n.expr, method), n.name)
	return true
}

// get is the number at p[at] in the type of its field.
func (f *function) get(n field, at int) string {
	value, of := fmt.Sprintf("p[%d]", at), fmt.Sprintf("uint%d", 8*n.size)
	switch {
	case n.form == boolean:
		value, of = value+" == 1", "bool"
	case n.form == narrow:
		high, low := at, at+2
		if n.le {
			high, low = low, high
		}
		value, of = fmt.Sprintf("uint32(p[%d])<<16 | uint32(p[%d])<<8 | uint32(p[%d])", high, at+1, low), "uint32"
		if signed(n.of) {
			value, of = fmt.Sprintf("int32((%s)<<8) >> 8", value), "int32"
		}
	case n.size > 1:
		value = fmt.Sprintf("%s.Uint%d(%s)", f.order(n.le), 8*n.size, from(at))
	}
	if n.form == float {
		value, of = fmt.Sprintf("%s(%s)", f.std("math", fmt.Sprintf("Float%dfrombits", 8*n.size)), value), fmt.Sprintf("float%d", 8*n.size)
	}
	if name := types.Unalias(n.of).String(); name == of || name == "byte" && of == "uint8" {
		return value
	}
	return fmt.Sprintf("%s(%s)", f.nameable(n.name, n.of), value)
}

// from is the bytes from p[at] on.
func from(at int) string {
	if at == 0 {
		return "p"
	}
	return fmt.Sprintf("p[%d:]", at)
}

// codecOf is the codec of a number of a basic type.
func codecOf(n field) string {
	name := map[form]string{integer: "Uint", narrow: "Uint", float: "Float", boolean: "Bool"}[n.form]
	if n.form == boolean {
		return name
	}
	if n.form != float && signed(n.of) {
		name = "Int"
	}
	if name += fmt.Sprint(8 * n.size); n.le && n.size > 1 {
		name += "LE"
	}
	return name
}

// cut returns a call of a method that is written for what is wrong when the bytes do not suffice for all numbers.
func (f *function) cut(p *part) string {
	first := "cut" + exported(p.numbers[0].name)
	name := first
	for i := 2; f.known[name]; i++ { // A.B and AB
		name = fmt.Sprint(first, "_", i)
	}
	f.known[name] = true
	f.later = append(f.later, func() { f.cutMethod(name, p.numbers) })
	return fmt.Sprintf("c.%s(r)", name)
}

func (e *emitter) cutMethod(name string, numbers []field) {
	e.line("\n// %s returns the error of the first field that is not whole, or wrong before that.", name)
	e.line("func (%s) %s(r *%s) error {", e.self, name, e.ours("Reader"))
	const fail = "; err != nil {\nreturn r.WrapField(%s, err)\n}"
	for i := 0; i < len(numbers); {
		switch n := numbers[i]; n.form {
		case octets:
			e.line("for i := range %d {\nif err := r.Skip(1)"+fail+"\n}", n.size, fmt.Sprintf("\"%s[\" + %s(i) + \"]\"", n.name, e.std("strconv", "Itoa")))
			i++
			continue
		case boolean:
			e.line("if _, err := r.Bool()"+fail, fmt.Sprintf("%q", n.name))
			i++
			continue
		}
		e.line("for _, f := range []struct {\nname string\nwidth int\n}{")
		for ; i < len(numbers) && numbers[i].form != octets && numbers[i].form != boolean; i++ {
			e.line("{%q, %d},", numbers[i].name, numbers[i].size)
		}
		e.line("} {\nif err := r.Skip(f.width)"+fail+"\n}", "f.name")
	}
	e.line("return nil\n}")
}
