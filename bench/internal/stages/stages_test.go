package stages

import (
	"fmt"
	"strings"
	"testing"
)

// Every form processes the same items in the same steps; otherwise their figures could not be compared.
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

// slug converts a name to that of a benchmark.
func slug(name string) string { return strings.NewReplacer(" ", "_", ",", "").Replace(name) }

func BenchmarkDepth(b *testing.B) {
	for _, d := range Depths() {
		b.Run(fmt.Sprintf("%s/stages=%d", slug(d.Kind), d.Stages), func(b *testing.B) {
			b.ReportAllocs()
			d.Run(b.N)
		})
	}
}

func BenchmarkStages(b *testing.B) {
	for _, f := range Forms() {
		b.Run(slug(f.Name), func(b *testing.B) {
			b.ReportAllocs()
			f.Run(b.N)
		})
	}
}

func TestBuffersComeToTheSameSum(t *testing.T) {
	want := map[string]int{}
	for _, b := range Buffers() {
		Sum = 0
		b.Run(1000)
		if want[b.Work.Name] == 0 {
			want[b.Work.Name] = Sum
		}
		if Sum != want[b.Work.Name] || Sum == 0 {
			t.Errorf("%s: %d, want %d", b.Name(), Sum, want[b.Work.Name])
		}
	}
}

// The sum of the ordered forms depends on the order.
func TestMappedComeToTheSameSum(t *testing.T) {
	for _, w := range Works() {
		for _, all := range [][]Mapped{Ordered(w), Unordered(w)} {
			want := 0
			for _, m := range all {
				Sum = 0
				m.Run(1000)
				if want == 0 {
					want = Sum
				}
				if Sum != want || Sum == 0 {
					t.Errorf("%s: %d, want %d", m.Name(), Sum, want)
				}
			}
		}
	}
}

func BenchmarkBuffer(b *testing.B) {
	for _, f := range Buffers() {
		b.Run(slug(f.Name()), func(b *testing.B) {
			b.ReportAllocs()
			f.Run(b.N)
		})
	}
}

func BenchmarkMapped(b *testing.B) {
	for _, w := range Works() {
		for kind, all := range map[string][]Mapped{"ordered": Ordered(w), "unordered": Unordered(w)} {
			for _, m := range all {
				b.Run(kind+"/"+slug(w.Name+"/"+m.Name()), func(b *testing.B) {
					b.ReportAllocs()
					m.Run(b.N)
				})
			}
		}
	}
}
