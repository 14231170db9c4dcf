package pipelines

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/pipeline"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestFailures(t *testing.T) {
	log := io.NopCloser(strings.NewReader("INFO a\nERROR b\nINFO c\nERROR d\n"))
	got, err := pipeline.Collect(t.Context(), failures(log))
	require.NoError(t, err)
	require.Equal(t, []int{2}, got)
}

func TestFahrenheitIsReadWhileNobodyReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		src := fahrenheit(t.Context(), func() float64 {
			reads++
			return 100
		})
		first, err := src.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 212.0, first)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.GreaterOrEqual(t, reads, 10)
		require.NoError(t, src.Close())
	})
}

func TestService(t *testing.T) {
	s := service(strings.ToUpper)
	require.NoError(t, s.Out.Send(t.Context(), "hello"))
	got, err := s.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "HELLO", got)
	require.NoError(t, s.Out.Close())
	_, err = s.In.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	require.NoError(t, s.Close())
}
