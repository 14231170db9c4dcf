package codec

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReaderForgetsTheRecursivesItHasLeft decodes elements each of which has a Recursive of its own.
func TestReaderForgetsTheRecursivesItHasLeft(t *testing.T) {
	type list struct{ Next *list }
	fresh := func() Codec[list] {
		return Recursive(func(self Codec[list]) Codec[list] {
			return Record(Field("next", func(l *list) **list { return &l.Next }, Optional(Bool, self)))
		})
	}
	r := NewReader([]byte{1, 1, 0, 1, 2})
	for range 2 {
		_, _ = fresh().Decode(r)
		require.Empty(t, r.nested)
	}
	require.Equal(t, nesting{}, r.nested[:1][0])
}
