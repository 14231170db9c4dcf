package bus_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

var errBoom = errors.New("boom")

// lost is made by the Mark of these tests, and is negative, unlike any value.
func lost(n uint64) int { return -int(n) }

// upto returns 0 to n-1.
func upto(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// drain receives until the end, which it returns.
func drain[T any](t testing.TB, src *chanio.Source[T]) ([]T, error) {
	t.Helper()
	all := slices.Collect(src.All(t.Context()))
	require.NoError(t, t.Context().Err())
	return all, src.Err()
}
