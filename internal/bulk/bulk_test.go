package bulk_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/bulk"
)

const size = 3<<20 + 5

// read returns all of a Stream, in pieces of any size.
func read(s *bulk.Stream, piece int) (all []byte) {
	for s.Left() > 0 {
		all = append(all, s.Next(piece)...)
	}
	return all
}

func TestWhatIsReadIsWhatMayBeWritten(t *testing.T) {
	all := read(bulk.New(1, size), 64<<10)
	require.Len(t, all, size)
	require.Equal(t, all, read(bulk.New(1, size), 1000))
	s := bulk.New(1, size)
	for rest := all; len(rest) > 0; rest = rest[min(len(rest), 777_777):] {
		_, err := s.Write(rest[:min(len(rest), 777_777)])
		require.NoError(t, err)
	}
	require.Zero(t, s.Left())
	require.Empty(t, s.Next(1))
	_, err := s.Write([]byte("x"))
	require.ErrorContains(t, err, "1 bytes more than")
}

func TestWhatDiffersIsFound(t *testing.T) {
	good := read(bulk.New(1, size), size)
	for name, bad := range map[string][]byte{
		"another":  read(bulk.New(2, size), size),
		"moved":    good[1<<20:],
		"one bit":  append(append([]byte{}, good[:2_000_000]...), good[2_000_000]^1),
		"one lost": append(append([]byte{}, good[:2_000_000]...), good[2_000_001:]...),
	} {
		n, err := bulk.New(1, size).Write(bad)
		require.ErrorContains(t, err, "bulk: byte ", name)
		require.Less(t, n, len(bad), name)
	}
}
