package chaniotest

import (
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func plantedLeak(never chan struct{}) { <-never }

// TestG11APlantedLeakFailsTheRun is the negative control of Main: the same test binary, with one goroutine too many.
func TestG11APlantedLeakFailsTheRun(t *testing.T) {
	for plant, want := range map[string]int{"": 0, "test": 1} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLeaksWhenAsked$")
		cmd.Env = append(os.Environ(), "CHANIOTEST_PLANT="+plant)
		out, err := cmd.CombinedOutput()
		require.Equal(t, want, cmd.ProcessState.ExitCode(), "%v\n%s", err, out)
		if want != 0 {
			require.Contains(t, string(out), "1 goroutines outlived the tests")
			require.Contains(t, string(out), "chaniotest.plantedLeak")
		}
	}
}

// TestLeaksWhenAsked leaks a goroutine in the child process of TestG11APlantedLeakFailsTheRun and only there.
func TestLeaksWhenAsked(t *testing.T) {
	if os.Getenv("CHANIOTEST_PLANT") == "test" {
		go plantedLeak(make(chan struct{}))
	}
}

// The bubble makes the grace cost nothing.
func TestG11NoLeakNamesWhatRemains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		v := judge(t, time.Hour, func(t testing.TB) {
			NoLeak(t)
			go plantedLeak(stop)
		})
		close(stop)
		require.True(t, v.failed)
		require.Contains(t, v.log, "chaniotest.plantedLeak")

		v = judge(t, time.Hour, func(t testing.TB) {
			NoLeak(t)
			ended := make(chan struct{})
			go close(ended)
			<-ended
		})
		require.False(t, v.failed, v.log)
	})
}
