package datagram

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestZonesAreAskedForAnewWhenTheirInterfaceMayHaveChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memo[string, int]
		asked := 0
		get := func(k string) int {
			return m.get(k, func(string) int { asked++; return asked })
		}
		require.Equal(t, 1, get("a"))
		time.Sleep(memoAge / 2)
		require.Equal(t, 2, get("b"))
		require.Equal(t, 1, get("a"))
		time.Sleep(memoAge / 2)
		require.Equal(t, 3, get("a"))
		require.Equal(t, 4, get("b"))
		require.Equal(t, 3, get("a"))
	})
}
