package pipeline

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A ticker notices a change of the wall clock, because its next tick no longer fits the clock.
func TestAClockThatIsSetMakesNoMomentComeManyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, set := range []time.Duration{0, time.Millisecond, 400 * time.Millisecond, 600 * time.Millisecond, -time.Millisecond} {
			c := ticker{period: time.Second}
			c.start(time.Now())
			c.due = c.due.Add(set)
			for range 3 {
				before := c.due
				c.advance(time.Now())
				require.Zero(t, c.moment().Nanosecond(), set)
				require.InDelta(t, time.Second, c.due.Sub(before), float64(time.Second/2), set)
			}
			time.Sleep(time.Until(c.due))
			require.True(t, c.isDue())
			c.advance(time.Now())
			require.False(t, c.isDue())
			time.Sleep(time.Second / 3)
		}
	})
}
