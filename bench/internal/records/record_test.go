package records

import (
	"strings"
	"testing"
)

func TestEveryFormEncodesAndDecodesTheSame(t *testing.T) {
	for _, f := range Forms() {
		f.Encode(1000) // they check
		f.Decode(1000)
	}
}

func name(s string) string { return strings.NewReplacer(" ", "_", ",", "", "/", "-").Replace(s) }

func BenchmarkEncode(b *testing.B) {
	for _, f := range Forms() {
		b.Run(name(f.Name), func(b *testing.B) {
			b.ReportAllocs()
			f.Encode(b.N)
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, f := range Forms() {
		b.Run(name(f.Name), func(b *testing.B) {
			b.ReportAllocs()
			f.Decode(b.N)
		})
	}
}
