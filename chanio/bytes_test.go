package chanio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// byteSources are ways to receive the same text, by chunks and by the Bytes route.
func byteSources(text string) map[string]*chanio.Source[[]byte] {
	halves := [][]byte{[]byte(text[:len(text)/2]), nil, []byte(text[len(text)/2:])}
	var single [][]byte
	for i := range text {
		single = append(single, []byte(text[i:i+1]))
	}
	fed, w := chanio.FromWriter(len(text) + 1)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return map[string]*chanio.Source[[]byte]{
		"one chunk":     chanio.FromSlice([][]byte{[]byte(text)}),
		"two chunks":    chanio.FromSlice(halves),
		"single bytes":  chanio.FromSlice(single),
		"a reader":      chanio.FromReader(strings.NewReader(text)),
		"a slow reader": chanio.FromReader(iotest.OneByteReader(strings.NewReader(text))),
		"end with data": chanio.FromReader(iotest.DataErrReader(strings.NewReader(text))),
		"a writer":      fed,
	}
}

// waitingFor returns a Source of []byte that has yielded these chunks and then waits.
func waitingFor(t testing.TB, chunks ...string) (*chanio.Source[[]byte], *chanio.Sink[[]byte]) {
	src, sink := chanio.PipeOf[[]byte](16)
	for _, c := range chunks {
		require.NoError(t, sink.Send(t.Context(), []byte(c)))
	}
	return src, sink
}

func TestReadAllReturnsEveryByte(t *testing.T) {
	text := strings.Repeat("0123456789", 100)
	for name, src := range byteSources(text) {
		got, err := chanio.ReadAll(t.Context(), src, len(text))
		require.NoError(t, err, name)
		require.Equal(t, text, string(got), name)
		_, err = src.Recv(t.Context())
		require.Equal(t, io.EOF, err, name)
	}
}

func TestG14ReadAllStopsAtItsLimit(t *testing.T) {
	src, sink := waitingFor(t, "0123", "4567")
	_, err := chanio.ReadAll(t.Context(), src, 7)
	var tooMuch *chanio.LimitError
	require.ErrorAs(t, err, &tooMuch)
	require.Equal(t, 7, tooMuch.Limit)
	<-sink.Done()
}

func TestG2CancelledReadAllPutsEverythingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := waitingFor(t, "01", "23")
		ctx, cancel := context.WithCancel(t.Context())
		res := make(chan error)
		go func() {
			_, err := chanio.ReadAll(ctx, src, 100)
			res <- err
		}()
		synctest.Wait()
		cancel()
		require.Equal(t, context.Canceled, <-res)
		require.NoError(t, sink.Send(t.Context(), []byte("45")))
		require.NoError(t, sink.Close())
		got, err := chanio.ReadAll(t.Context(), src, 100)
		require.NoError(t, err)
		require.Equal(t, "012345", string(got))
	})
}

func TestReadAllOfAFailedSourceReturnsWhatCame(t *testing.T) {
	src := chanio.FromReader(io.MultiReader(strings.NewReader("some"), iotest.ErrReader(errBroken)))
	got, err := chanio.ReadAll(t.Context(), src, 100)
	require.Equal(t, errBroken, err)
	require.Equal(t, "some", string(got))
}

func TestRechunkCutsAtTheSize(t *testing.T) {
	for name, src := range byteSources("0123456789") {
		var got []string
		for _, chunk := range collect(t, chanio.Rechunk(src, 4)) {
			got = append(got, string(chunk))
		}
		require.Equal(t, []string{"0123", "4567", "89"}, got, name)
	}
}

func TestG1RechunkYieldsWhatCameBeforeAFailure(t *testing.T) {
	src := chanio.FromReader(io.MultiReader(strings.NewReader("some"), iotest.ErrReader(errBroken)))
	chunks := chanio.Rechunk(src, 10)
	require.Equal(t, "some", string(first(t, chunks)))
	for range 2 {
		_, err := chunks.Recv(t.Context())
		require.Equal(t, errBroken, err)
	}
}

func TestG2CancelledRechunkKeepsItsPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := waitingFor(t, "01")
		chunks := chanio.Rechunk(src, 4)
		ctx, cancel := context.WithCancel(t.Context())
		res := make(chan error)
		go func() {
			_, err := chunks.Recv(ctx)
			res <- err
		}()
		synctest.Wait()
		cancel()
		require.Equal(t, context.Canceled, <-res)
		require.NoError(t, sink.Send(t.Context(), []byte("23")))
		require.Equal(t, "0123", string(first(t, chunks)))
	})
}

// TestG12StagesDoNotWriteBehindAChunk holds that the memory beyond a chunk's length is left alone.
func TestG12StagesDoNotWriteBehindAChunk(t *testing.T) {
	whole := []byte("a line\n...and another\n")
	src := chanio.FromSlice([][]byte{whole[:3], []byte("XXXX"), whole[3:]})
	require.Equal(t, []string{"a lXXXXine", "...and another"}, collect(t, chanio.Lines(src, 0)))
	require.Equal(t, "a line\n...and another\n", string(whole))
}

func TestG3ClosingAByteStageReachesItsSource(t *testing.T) {
	stages := map[string]func(*chanio.Source[[]byte]) io.Closer{
		"Rechunk":  func(s *chanio.Source[[]byte]) io.Closer { return closer(chanio.Rechunk(s, 4).Close) },
		"Lines":    func(s *chanio.Source[[]byte]) io.Closer { return closer(chanio.Lines(s, 4).Close) },
		"ToReader": func(s *chanio.Source[[]byte]) io.Closer { return chanio.NewReader(t.Context(), s) },
	}
	for name, stage := range stages {
		src, sink := waitingFor(t)
		require.NoError(t, stage(src).Close(), name)
		<-sink.Done()
	}
}

type closer func() error

func (c closer) Close() error { return c() }

func TestCompareIsThatOfTheWholeSlices(t *testing.T) {
	pairs := [][2]string{{"", ""}, {"same", "same"}, {"abc", "abd"}, {"abc", "ab"}, {"", "a"}, {"\x7f", "\x80"}}
	for _, pair := range pairs {
		for name, a := range byteSources(pair[0]) {
			for _, b := range byteSources(pair[1]) {
				got, err := chanio.Compare(t.Context(), a, b)
				require.NoError(t, err)
				require.Equal(t, strings.Compare(pair[0], pair[1]), got, "%s: %q", name, pair)
				break // any of them: the order of a map is random
			}
		}
	}
}

func TestCompareLeavesWhatComesAfterTheDifference(t *testing.T) {
	a, _ := waitingFor(t, "same 1 and more")
	b, _ := waitingFor(t, "sa", "me 2")
	got, err := chanio.Compare(t.Context(), a, b)
	require.NoError(t, err)
	require.Equal(t, -1, got)
	require.True(t, strings.HasSuffix("same 1 and more", string(first(t, a))))
	require.Equal(t, "me 2", string(first(t, b)))
}

func TestCompareReportsAFailure(t *testing.T) {
	bad := chanio.FromReader(iotest.ErrReader(errBroken))
	_, err := chanio.Compare(t.Context(), chanio.FromSlice([][]byte{{1}}), bad)
	require.Equal(t, errBroken, err)
}

func TestByteStagesRefuseNonsense(t *testing.T) {
	src := chanio.FromSlice([][]byte{})
	require.PanicsWithValue(t, "chanio: Rechunk: size must be at least 1, got 0", func() { chanio.Rechunk(src, 0) })
	require.PanicsWithValue(t, "chanio: Lines: limit must be at least 0, got -1", func() { chanio.Lines(src, -1) })
	require.PanicsWithValue(t, "chanio: ReadAll: limit must be at least 1, got 0",
		func() { _, _ = chanio.ReadAll(t.Context(), src, 0) })
	require.PanicsWithValue(t, "chanio: FromReader: r is nil", func() { chanio.FromReader(nil) })
	require.PanicsWithValue(t, "chanio: ToWriter: w is nil", func() { chanio.ToWriter(nil) })
	require.PanicsWithValue(t, "chanio: FromWriter: limit must be at least 1, got 0", func() { chanio.FromWriter(0) })
}

func TestLinesEndAtAnyOfThreeEnds(t *testing.T) {
	for text, want := range map[string][]string{
		"":                     nil,
		"a":                    {"a"},
		"a\n":                  {"a"},
		"a\nb\rc\r\nd":         {"a", "b", "c", "d"},
		"\n\r\r\n\n":           {"", "", "", ""},
		"a\r\r\nb\n\rc":        {"a", "", "b", "", "c"},
		"ends with a return\r": {"ends with a return"},
	} {
		for name, src := range byteSources(text) {
			require.Equal(t, want, collect(t, chanio.Lines(src, 0)), "%q from %s", text, name)
		}
	}
}

func TestLinesDoesNotWaitForWhatFollowsAReturn(t *testing.T) {
	src, sink := waitingFor(t, "one\r")
	lines := chanio.Lines(src, 0)
	require.Equal(t, "one", first(t, lines))
	require.NoError(t, sink.Send(t.Context(), []byte("\ntwo\n")))
	require.Equal(t, "two", first(t, lines))
}

func TestG14LinesStopsAtItsLimit(t *testing.T) {
	for _, text := range []string{"1234\n12345\n", "1234\n12345678", "1234\n12345"} {
		for name, src := range byteSources(text) {
			lines := chanio.Lines(src, 4)
			require.Equal(t, "1234", first(t, lines))
			_, err := lines.Recv(t.Context())
			var tooLong *chanio.LimitError
			require.ErrorAs(t, err, &tooLong, "%q from %s", text, name)
			require.Equal(t, 4, tooLong.Limit)
		}
	}
	src, sink := waitingFor(t, strings.Repeat("x", 64<<10))
	lines := chanio.Lines(src, 0)
	require.NoError(t, sink.Send(t.Context(), []byte("y")))
	_, err := lines.Recv(t.Context())
	require.EqualError(t, err, "chanio: more than 65536 bytes")
	<-sink.Done()
}

func TestG2CancelledLinesReadsTheLineWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		defer near.Close()
		defer far.Close()
		lines := chanio.Lines(far.In, 0)
		for _, b := range []byte("a whole line") {
			require.NoError(t, near.Out.Send(t.Context(), []byte{b}))
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				synctest.Wait()
				cancel()
			}()
			_, err := lines.Recv(ctx)
			require.Equal(t, context.Canceled, err)
		}
		require.NoError(t, near.Out.Send(t.Context(), []byte("\r\n")))
		require.Equal(t, "a whole line", first(t, lines))
	})
}

func TestLinesAllocatesOnlyTheLines(t *testing.T) {
	endless := chanio.FromReader(repeat("a line of some length\r\n"))
	lines, ctx := chanio.Lines(endless, 0), t.Context()
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { _, _ = lines.Recv(ctx) }), 1.0)
}

// repeat is a reader that never ends.
type repeat string

func (r repeat) Read(p []byte) (n int, err error) {
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	return n, nil
}

func FuzzLines(f *testing.F) {
	f.Add("a\nb\rc\r\nd", uint8(3))
	f.Add("\r\n\r", uint8(1))
	f.Fuzz(func(t *testing.T, text string, cut uint8) {
		normal := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
		want := strings.Split(normal, "\n")
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		at := min(int(cut), len(text))
		src := chanio.FromSlice([][]byte{[]byte(text[:at]), []byte(text[at:])})
		got := []string{}
		for line := range chanio.Lines(src, 0).All(t.Context()) {
			got = append(got, line)
		}
		require.Equal(t, want, got)
	})
}

func TestLinesOfAFailedSourceDropsTheUnfinishedOne(t *testing.T) {
	r := io.MultiReader(bytes.NewReader([]byte("one\ntw")), iotest.ErrReader(io.ErrUnexpectedEOF))
	lines := chanio.Lines(chanio.FromReader(r), 0)
	require.Equal(t, "one", first(t, lines))
	_, err := lines.Recv(t.Context())
	require.True(t, errors.Is(err, io.ErrUnexpectedEOF))
}
