package chaniotest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStacksAreUnderstood(t *testing.T) {
	all := parseStacks([]byte(`goroutine 1 [running]:
main.main()
	/tmp/x.go:3 +0x1

goroutine 17 gp=0x1 m=nil [chan receive (durable), 2 minutes, synctest bubble 3]:
main.a()

goroutine 18 [IO wait, locked to thread]:
main.b()
`))
	require.Len(t, all, 3)
	for i, want := range []struct {
		id     uint64
		state  string
		parked bool
	}{{1, "running", false}, {17, "chan receive", true}, {18, "IO wait", true}} {
		require.Equal(t, want.id, all[i].id)
		require.Equal(t, want.state, all[i].state)
		require.Equal(t, want.parked, all[i].parked())
	}
	require.Contains(t, all[2].stack, "main.b()")
}

func TestACallIsSeenToWait(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	c := start(func() int {
		close(begun)
		<-release
		return 7
	})
	<-begun
	require.True(t, c.parked())
	require.False(t, c.over())
	close(release)
	require.Equal(t, 7, c.wait(t))
	require.False(t, c.parked())
}
