package stages

// Work is the work per item in comparisons of stages with goroutines.
type Work struct {
	Name string
	do   func(v int) int
}

// Works returns almost no work, which shows the cost of passing an item on, and about a microsecond of work.
func Works() []Work {
	return []Work{{"no work", next}, {"1 µs of work", spin}}
}

func next(v int) int { return v + 1 }

// spin computes for about a microsecond.
func spin(v int) int {
	x := uint64(v) | 1
	for range 420 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return int(x >> 1)
}

// fold is a sum that depends on the order of its items.
func fold(sum, v int) int { return sum*31 + v }
