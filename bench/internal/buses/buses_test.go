package buses

import (
	"strings"
	"testing"
)

func TestEverySubscriberReceivesEveryValue(*testing.T) {
	for _, f := range Forms() {
		f.Run(1000) // it checks
	}
}

func BenchmarkBus(b *testing.B) {
	for _, f := range Forms() {
		b.Run(strings.NewReplacer(" ", "_", ",", "").Replace(f.Name), func(b *testing.B) {
			b.ReportAllocs()
			f.Run(b.N)
		})
	}
}
