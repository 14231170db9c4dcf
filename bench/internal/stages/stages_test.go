package stages

import (
	"fmt"
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

func TestDepthsComeToTheSameSum(t *testing.T) {
	want := map[int]int{}
	for _, d := range Depths() {
		Sum = 0
		d.Run(100)
		if d.Kind == "fused" {
			want[d.Stages] = Sum
		}
		if Sum != want[d.Stages] || Sum == 0 {
			t.Errorf("%s: %d, want %d", d.Name(), Sum, want[d.Stages])
		}
	}
}

func BenchmarkDepth(b *testing.B) {
	for _, d := range Depths() {
		b.Run(fmt.Sprintf("%s/stages=%d", strings.NewReplacer(" ", "_", ",", "").Replace(d.Kind), d.Stages), func(b *testing.B) {
			b.ReportAllocs()
			d.Run(b.N)
		})
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
