package stages

import "fmt"

// Depth is a number of stages of one kind.
type Depth struct {
	Kind   string
	Stages int
	Ours   bool
	Run    func(n int)
}

// Name is its name in a report.
func (d Depth) Name() string {
	if d.Stages == 1 {
		return d.Kind + ", 1 stage"
	}
	return fmt.Sprintf("%s, %d stages", d.Kind, d.Stages)
}

// Depths returns pipelines of several lengths.
func Depths() (all []Depth) {
	for _, kind := range []struct {
		name string
		ours bool
		run  func(n, stages int)
	}{
		{"fused", true, fused},
		{"goroutines, 128 slots", false, func(n, stages int) { goroutines(n, stages, 128) }},
		{"rill", false, rillStages},
		{"ro", false, roStages},
		{"lo iterators", false, loIterators},
	} {
		for _, stages := range []int{1, 2, 5, 10} {
			all = append(all, Depth{kind.name, stages, kind.ours, func(n int) { kind.run(n, stages) }})
		}
	}
	return all
}
