package records

import (
	"strings"
	"testing"
)

func TestEveryFormEncodesAndDecodesTheSame(t *testing.T) {
	for _, f := range append(Forms(), TextForms()...) {
		f.Encode(1000) // they check
		f.Decode(1000)
	}
	for _, f := range append(LineForms(40), LineForms(200)...) {
		f.Read(1000)
	}
}

func name(s string) string { return strings.NewReplacer(" ", "_", ",", "", "/", "-").Replace(s) }

func run(b *testing.B, form string, f func(n int)) {
	b.Run(name(form), func(b *testing.B) {
		b.ReportAllocs()
		f(b.N)
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, f := range Forms() {
		run(b, f.Name, f.Encode)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, f := range Forms() {
		run(b, f.Name, f.Decode)
	}
}

func BenchmarkEncodeText(b *testing.B) {
	for _, f := range TextForms() {
		run(b, f.Name, f.Encode)
	}
}

func BenchmarkDecodeText(b *testing.B) {
	for _, f := range TextForms() {
		run(b, f.Name, f.Decode)
	}
}

func BenchmarkLines(b *testing.B) {
	for _, f := range LineForms(40) {
		run(b, f.Name+" 40", f.Read)
	}
	for _, f := range LineForms(200) {
		run(b, f.Name+" 200", f.Read)
	}
}
