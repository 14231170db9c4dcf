package buses

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-go/weir/bench/internal/suite"
)

func TestEverySubscriberReceivesEveryValue(*testing.T) {
	for _, f := range Forms() {
		f.Run(1000) // it checks
	}
}

func TestACrowdIsReachedAndWeighed(t *testing.T) {
	for _, all := range [][]suite.Contender{Crowds(1000), CrowdMemory(1000)} {
		for _, c := range all {
			m, err := c.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s, err := m.Round(t.Context(), time.Millisecond)
			if err != nil || s.Value <= 0 {
				t.Errorf("%s: %v, %v", c.Name, s.Value, err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
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
