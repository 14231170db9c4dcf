package servers

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInheritedSocketsWithoutANameAreCalledByTheirNumber(t *testing.T) {
	for _, c := range []struct {
		names string
		i     int
		want  string
	}{
		{"", 0, "LISTEN_FD_3"},
		{"web", 0, "web"},
		{"web", 1, "LISTEN_FD_4"},
		{"web", 2, "LISTEN_FD_5"},
		{"web:control", 1, "control"},
		{"web:", 1, ""},
	} {
		require.Equal(t, c.want, inheritedName(c.names, c.i), "%q", c.names)
	}
}
