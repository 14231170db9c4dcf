package suite

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/target"
)

func TestMain(m *testing.M) {
	child.Main(Roles())
	os.Exit(m.Run())
}

func TestSpreadIsMedianAndBounds(t *testing.T) {
	require.Equal(t, Spread{}, SpreadOf(nil))
	require.Equal(t, Spread{2, 1, 9}, SpreadOf([]float64{9, 1, 2}))
	require.Equal(t, Spread{2.5, 1, 9}, SpreadOf([]float64{9, 1, 2, 3}))
	require.True(t, Spread{1, 1, 1.31}.Noisy())
	require.False(t, Spread{1, 1, 1.29}.Noisy())
}

// rows returns a contender for each name, with one round for each value.
func rows(values map[string][]float64) (all []Row) {
	for name, vs := range values {
		r := Row{Name: name}
		for _, v := range vs {
			r.Rounds = append(r.Rounds, Sample{Value: v})
		}
		all = append(all, r)
	}
	return all
}

func TestBarIsTheMedianOfTheRatiosWithinRounds(t *testing.T) {
	// The machine was three times slower in the second round, for both contenders.
	measured := rows(map[string][]float64{"ours": {95, 30, 98}, "theirs": {100, 33, 100}})
	got := judge(AtLeast(0.9, "ours", "theirs"), measured)
	require.Equal(t, Pass, got.Verdict)
	require.InDelta(t, 0.95, got.Figure.Median, 1e-9)
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		bar          Bar
		ours, theirs []float64
		want         Verdict
	}{
		{AtLeast(1, "ours", "theirs"), []float64{10, 10}, []float64{10, 10}, Pass},
		{AtLeast(1, "ours", "theirs"), []float64{9, 9}, []float64{10, 10}, Short},
		{AtMost(1, "ours", "theirs"), []float64{9, 9}, []float64{10, 10}, Pass},
		{AtMost(1, "ours", "theirs"), []float64{11, 11}, []float64{10, 10}, Short},
		{AtLeast(1, "ours", "theirs"), []float64{10, 20}, []float64{10, 10}, TooNoisy},
		{AtLeast(1, "ours", "theirs"), []float64{10}, nil, Missing},
		{AtLeast(1, "ours", "theirs"), []float64{10, 10}, []float64{0, 5}, Pass},
		{AtLeast(1, "ours", "theirs"), []float64{10, 0}, []float64{0, 0}, Missing},
		{AtLeast(1, "ours", "nobody"), []float64{10}, []float64{10}, Missing},
		{Aside("ours", "theirs"), []float64{10, 20}, []float64{10, 10}, NoBar},
	} {
		got := judge(c.bar, rows(map[string][]float64{"ours": c.ours, "theirs": c.theirs}))
		require.Equal(t, c.want, got.Verdict, "%+v", c)
	}
}

func TestNoisyFigureSaysWhatItsRoundsAgreeOn(t *testing.T) {
	for _, c := range []struct {
		bar  Bar
		ours []float64
		want string
	}{
		{AtLeast(1, "ours", "theirs"), []float64{10, 20}, "passed in every round"},
		{AtLeast(1, "ours", "theirs"), []float64{2, 4}, "short in every round"},
		{AtLeast(1, "ours", "theirs"), []float64{5, 20}, ""},
		{AtMost(1, "ours", "theirs"), []float64{5, 10}, "passed in every round"},
		{AtMost(1, "ours", "theirs"), []float64{20, 40}, "short in every round"},
	} {
		got := judge(c.bar, rows(map[string][]float64{"ours": c.ours, "theirs": {10, 10}}))
		require.Equal(t, TooNoisy, got.Verdict)
		require.Equal(t, c.want, got.Note)
	}
}

// script is a contender whose rounds have the given values.
type script struct {
	values []float64
	closed *int
}

func (s *script) Round(context.Context, time.Duration) (Sample, error) {
	if len(s.values) == 0 {
		return Sample{}, errors.New("broken")
	}
	v := s.values[0]
	s.values = s.values[1:]
	return Sample{Value: v}, nil
}

func (s *script) Close() error {
	*s.closed++
	return nil
}

func TestNoisyGroupIsMeasuredAgain(t *testing.T) {
	values, closed := [][]float64{{10, 20}, {10, 10}}, 0
	g := Group{
		Contenders: []Contender{
			{Name: "ours", Start: func(context.Context) (Measure, error) {
				m := &script{values[0], &closed}
				values = values[1:]
				return m, nil
			}},
			{Name: "theirs", Start: func(context.Context) (Measure, error) {
				return &script{[]float64{10, 10}, &closed}, nil
			}},
		},
		Bars: []Bar{AtLeast(1, "ours", "theirs")},
	}
	tables := Run(context.Background(), []Group{g}, Options{Rounds: 2})
	require.True(t, tables[0].Retried)
	require.Equal(t, Pass, tables[0].Bars[0].Verdict)
	require.Equal(t, 4, closed)
}

func TestRetryKeepsWithinTheBudget(t *testing.T) {
	o := Options{Rounds: 2, Time: time.Second, Budget: 10 * time.Second}
	rest := []Group{{Contenders: make([]Contender, 2)}} // about five seconds
	require.True(t, o.retry(4*time.Second, rest))
	require.False(t, o.retry(6*time.Second, rest))
	require.True(t, o.retry(6*time.Second, nil))
	o.Budget = 0
	require.True(t, o.retry(time.Hour, rest))
}

func TestShareFitsTheGroupsIntoTheBudget(t *testing.T) {
	o := Options{Rounds: 5, Budget: 100 * time.Second}
	groups := []Group{
		{Contenders: make([]Contender, 10)},
		{Contenders: make([]Contender, 10), Rounds: 2, Share: 2},
	}
	d := o.Share(groups)
	total := 50*(d*6/5+overhead) + 20*(2*d*6/5+overhead)
	require.InDelta(t, 75, total.Seconds(), 0.1)
	require.Equal(t, time.Second, o.Share(nil))
}

func TestBrokenContenderIsMarkedAndTheOthersGoOn(t *testing.T) {
	closed := 0
	g := Group{Contenders: []Contender{
		{Name: "breaks", Start: func(context.Context) (Measure, error) { return &script{[]float64{1}, &closed}, nil }},
		{Name: "fails", Start: func(context.Context) (Measure, error) { return nil, errors.New("no such peer") }},
		{Name: "works", Start: func(context.Context) (Measure, error) { return &script{[]float64{1, 2}, &closed}, nil }},
	}}
	table := Run(context.Background(), []Group{g}, Options{Rounds: 2})[0]
	require.Equal(t, "broken", table.Rows[0].Error)
	require.Equal(t, "no such peer", table.Rows[1].Error)
	require.Len(t, table.Rows[2].Rounds, 2)
	require.Equal(t, 2, closed)
}

func TestCancelLeavesWhatWasMeasured(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	closed := 0
	one := func(name string) Group {
		return Group{Name: name, Contenders: []Contender{{Name: name, Start: func(context.Context) (Measure, error) {
			return &script{[]float64{1, 2, 3}, &closed}, nil
		}}}}
	}
	said := 0
	tables := Run(ctx, []Group{one("a"), one("b")}, Options{Rounds: 3, Notice: func(string) {
		if said++; said == 2 {
			cancel()
		}
	}})
	require.Len(t, tables, 1)
	require.Len(t, tables[0].Rows[0].Rounds, 1)
	require.Equal(t, 1, closed)
}

// Each target of the suite answers the generator, over TCP and in its own process, and ends when asked.
func TestEveryTargetEchoes(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise each child takes a second to end
	f := &Field{}
	for _, tgt := range target.All() {
		if tgt.Name == "net.TCPConn idle" || tgt.Name == "tls.Conn idle" {
			continue // it echoes only one message
		}
		if strings.Contains(tgt.Name, "sink") {
			continue // it echoes nothing
		}
		if tgt.Room {
			continue // it does not only answer the sender
		}
		if tgt.Path == "/stream" {
			continue // its reply has no length
		}
		m, err := f.Echo(tgt.Name, false, load.Spec{Size: 64, Conns: 3, Window: 1}).Start(t.Context())
		require.NoError(t, err, tgt.Name)
		windows := []int{1, 64}
		if tgt.Path == "/file" {
			windows = windows[:1] // its replies have 1 MiB
		}
		for _, window := range windows {
			m.(*echo).spec.Window = window
			_, err = m.Round(t.Context(), 5*time.Millisecond) // fails unless every request was answered
			require.NoError(t, err, tgt.Name)
		}
		require.NoError(t, m.Close(), tgt.Name)
	}
	require.NoError(t, f.Close())
}

func TestSinksCountWhatTheyReceive(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	f := &Field{}
	for _, name := range []string{"udp sink loop", "weir udp sink Recv", "weir udp sink channel"} {
		m, err := f.Sink(name, false, load.Spec{Size: 64, Conns: 1, Window: 1}).Start(t.Context())
		require.NoError(t, err)
		s, err := m.Round(t.Context(), 20*time.Millisecond)
		require.NoError(t, err)
		require.Positive(t, s.Value)
		require.NoError(t, m.Close())
	}
	require.NoError(t, f.Close())
}

func TestDownloadCountsWhatIsStreamed(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	f := &Field{}
	for _, name := range []string{"weir stream Source", "net/http stream unflushed"} {
		spec := load.Spec{Size: target.StreamLines, Conns: 1, Window: 1}
		m, err := f.Download(name, false, spec).Start(t.Context())
		require.NoError(t, err)
		s, err := m.Round(t.Context(), time.Millisecond)
		require.NoError(t, err)
		require.Positive(t, s.Value)
		require.NoError(t, m.Close())
		spec.Size--
		m, err = f.Download(name, false, spec).Start(t.Context())
		require.NoError(t, err)
		_, err = m.Round(t.Context(), time.Millisecond)
		require.ErrorContains(t, err, "lines instead of")
		require.NoError(t, m.Close())
	}
	require.NoError(t, f.Close())
}

func TestBroadcastCountsWhatAllReceive(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	f := &Field{}
	for name, wrong := range map[string]string{"weir ws room": "", "gws room": "", "weir ws Connect": "not answered"} {
		spec := load.Spec{Size: 64, Conns: 40, Window: 1, Timeout: 30 * time.Second}
		if wrong != "" {
			spec.Timeout = time.Second
		}
		m, err := f.Broadcast(name, false, spec).Start(t.Context())
		require.NoError(t, err)
		for range 2 {
			s, err := m.Round(t.Context(), 5*time.Millisecond)
			if wrong != "" {
				require.ErrorContains(t, err, wrong)
				break
			}
			require.NoError(t, err)
			require.Positive(t, s.Value)
		}
		require.NoError(t, m.Close())
	}
	require.NoError(t, f.Close())
}

func TestIdleConnectionsHoldWhatIsMeasured(t *testing.T) {
	f := &Field{}
	m, err := f.Idle("bufio owned", false, load.Spec{Size: 64, Conns: 20, Window: 1}).Start(t.Context())
	require.NoError(t, err)
	s, err := m.Round(t.Context(), 0)
	require.NoError(t, err)
	require.Greater(t, s.Value, 60_000.0) // its two buffers of 32 KiB
	require.InDelta(t, 1, s.Goroutines, 0.01)
	require.NoError(t, f.Close())
}
