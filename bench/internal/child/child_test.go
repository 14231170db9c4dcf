//go:build unix

package child

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	Main(map[string]Role{"test": func(args json.RawMessage) (Server, error) {
		if string(args) == `"refuse"` {
			return nil, errors.New("refused")
		}
		return testServer{}, nil
	}})
	os.Exit(m.Run())
}

type testServer struct{}

func (testServer) Handle(op string, args json.RawMessage) (any, error) {
	switch op {
	case "echo":
		return args, nil
	case "spin": // until the system has counted some of it
		for began := Use(false).CPU; Use(false).CPU-began < 50*time.Millisecond; {
		}
		return nil, nil
	case "hang":
		select {}
	case "die":
		os.Stderr.WriteString("last words")
		os.Exit(3)
	case "usage":
		return Use(true), nil
	}
	return nil, errors.New("no such thing")
}

func (testServer) Close() error { return nil }

// gone reports whether the process no longer exists.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestCallIsAnswered(t *testing.T) {
	p, err := Start("test", nil)
	require.NoError(t, err)
	var got []int
	require.NoError(t, p.Call(context.Background(), "echo", []int{1, 2}, &got))
	require.Equal(t, []int{1, 2}, got)
	require.ErrorContains(t, p.Call(context.Background(), "nonsense", nil, nil), "no such thing")
	var use Usage
	require.NoError(t, p.Call(context.Background(), "usage", nil, &use))
	require.Positive(t, use.RSS)
	require.Positive(t, use.Heap)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	require.True(t, gone(p.Pid()))
}

func TestRoleThatRefusesIsToldAndGone(t *testing.T) {
	_, err := Start("test", "refuse")
	require.ErrorContains(t, err, "refused")
}

func TestCancelledCallKillsTheChild(t *testing.T) {
	p, err := Start("test", nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.Call(ctx, "hang", nil, nil), context.DeadlineExceeded)
	require.Error(t, p.Close())
	require.True(t, gone(p.Pid()))
}

func TestLastWordsOfAChildAreInTheError(t *testing.T) {
	p, err := Start("test", nil)
	require.NoError(t, err)
	require.ErrorContains(t, p.Call(context.Background(), "die", nil, nil), "last words")
	require.True(t, gone(p.Pid()))
}

func TestWatchersSeeWhatIsUsed(t *testing.T) {
	p, err := Start("test", nil)
	require.NoError(t, err)
	w, m := Watch(p.Pid()), WatchMachine()
	require.NoError(t, p.Call(t.Context(), "spin", nil, nil))
	share := w.Since()
	require.NotNil(t, share)
	require.Positive(t, share.CPU)
	require.Positive(t, share.RSS)
	require.Positive(t, m.Others(), "the child has not ended, so it is another process")
	require.NoError(t, p.Close())
	require.Nil(t, Watch(0).Since())
	require.Nil(t, Watch(p.Pid()).Since())
}
