package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/suite"
)

func samples(values ...float64) (all []suite.Sample) {
	for _, v := range values {
		all = append(all, suite.Sample{Value: v, CPU: 3 * time.Microsecond, Allocs: 0.5})
	}
	return all
}

func atRate(ms float64) []suite.Sample {
	s := suite.Sample{Value: ms, P50: time.Millisecond, Late: 0.25}
	for _, share := range []float64{0, 0.5, 0.9, 0.99, 0.999} {
		s.Points = append(s.Points, load.Point{Share: share, Value: time.Duration(ms * (1 + 9*share) * 1e6)})
	}
	return []suite.Sample{s, s}
}

// example has a table of each kind.
func example() Report {
	return Report{
		Machine: ThisMachine(), Kind: "short", Rounds: 3, Time: time.Second, Took: time.Minute,
		Tables: []suite.Table{
			{
				Name: "echo", Title: "echo of <64> bytes", Unit: "replies/s", Note: "a note",
				Rows: []suite.Row{
					{Name: "a & b", Rounds: samples(100, 110, 90)},
					{Name: "weir", Ours: true, Rounds: samples(200, 210, 190)},
					{Name: "gone", Error: "no such peer\nmore"},
				},
				Bars: []suite.BarResult{
					{What: "weir / a & b", Limit: 0.9, Figure: suite.Spread{Median: 2, Min: 1.9, Max: 2.1}, Verdict: suite.Pass},
					{What: "weir / c", Limit: 3, Figure: suite.Spread{Median: 2, Min: 1.9, Max: 2.1}, Verdict: suite.Short},
				},
			},
			{Name: "depth", Title: "stages", Unit: "ns/item", LessIsMore: true, X: "stages", Rows: []suite.Row{
				{Name: "fused 1", Line: "fused", X: 1, Ours: true, Rounds: samples(10)},
				{Name: "fused 5", Line: "fused", X: 5, Ours: true, Rounds: samples(30)},
				{Name: "goroutines 1", Line: "goroutines", X: 1, Rounds: samples(100)},
				{Name: "goroutines 5", Line: "goroutines", X: 5, Rounds: samples(500)},
			}},
			{Name: "latency", Title: "latency", Unit: "ms", LessIsMore: true, Rows: []suite.Row{
				{Name: "slow", Rounds: atRate(3)},
				{Name: "weir", Ours: true, Rounds: atRate(1)},
			}},
		},
	}
}

func render(t *testing.T, write func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.String()
}

func TestEveryFormHasRowsBarsAndSettings(t *testing.T) {
	r := example()
	forms := map[string]string{
		"text":     render(t, func(b *bytes.Buffer) error { return r.Text(b) }),
		"markdown": render(t, func(b *bytes.Buffer) error { return r.Markdown(b) }),
		"html":     render(t, func(b *bytes.Buffer) error { return r.HTML(b) }),
	}
	for name, form := range forms {
		for _, part := range []string{
			"no such peer", "2.00 (1.90 to 2.10)", "short", "higher is better", "threshold", r.Machine.Kernel, r.Machine.Go,
			"3 rounds of 1s", "◆", "noise:",
		} {
			require.Contains(t, form, part, name)
		}
		require.NotContains(t, form, "INTERRUPTED", name)
	}
	require.Contains(t, forms["html"], "a &amp; b")
	require.Contains(t, forms["html"], "&lt;64&gt;")
}

func TestInterruptedReportSaysSo(t *testing.T) {
	r := Report{Interrupted: true}
	for _, write := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return r.Text(b) },
		func(b *bytes.Buffer) error { return r.Markdown(b) },
		func(b *bytes.Buffer) error { return r.HTML(b) },
	} {
		require.Contains(t, strings.ToLower(render(t, write)), "interrupted")
	}
}

func TestJSONIsReadBack(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.json")
	r := example()
	require.NoError(t, os.WriteFile(name, []byte(render(t, func(b *bytes.Buffer) error { return r.JSON(b) })), 0o600))
	got, err := Read(name)
	require.NoError(t, err)
	want, _ := json.Marshal(r)
	have, _ := json.Marshal(got)
	require.JSONEq(t, string(want), string(have))
	require.NoError(t, os.WriteFile(name, []byte("{}"), 0o600))
	_, err = Read(name)
	require.ErrorContains(t, err, "no tables")
}

func TestPageRefersToNothingOutside(t *testing.T) {
	page := render(t, func(b *bytes.Buffer) error { return example().HTML(b) })
	require.NotRegexp(t, regexp.MustCompile(`(?i)https?:|src=|url\(|@import|<link|<script|xmlns`), page)
	require.Equal(t, 8, strings.Count(page, "<svg "), "four plots, each wide and narrow")
}

// browser returns the command of a browser. If there is none, it skips the test, unless one is required.
func browser(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("WEIR_REQUIRE") == "1" {
		t.Fatal("chromium is required, Debian's package chromium has it")
	}
	t.Skip("there is no chromium")
	return ""
}

// browse opens a page in a browser that has no network, and returns its output.
func browse(t *testing.T, page string, args ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(name, []byte(page), 0o600))
	args = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
		"--user-data-dir=" + t.TempDir(), "--window-size=1000,2600",
	}, append(args, "file://"+name)...)
	cmd := exec.CommandContext(t.Context(), browser(t), args...)
	cut := offline(cmd)
	out, err := cmd.Output()
	if cut && errors.Is(err, os.ErrPermission) {
		t.Skip("this user may not take the network away from a process")
	}
	require.NoError(t, err)
	return string(out)
}

// A real browser without a network opens the page. It must find the plots and the colours of both sides, and every text
// must lie within its plot.
func TestBrowserShowsThePageWithoutANetwork(t *testing.T) {
	shot := filepath.Join(t.TempDir(), "shot.png")
	page := render(t, func(b *bytes.Buffer) error { return example().HTML(b) })
	browse(t, page, "--screenshot="+shot)
	colours := coloursOf(t, shot)
	require.Greater(t, colours[oursColour], 2000)
	require.Greater(t, colours[theirsColour], 1000)
	require.Greater(t, colours[lineColours[1]], 50)

	visible(t, page, 4)
}

// On a phone nothing of the page lies beyond its width, and no plot scrolls.
func TestPageFitsAPhone(t *testing.T) {
	page := render(t, func(b *bytes.Buffer) error { return example().HTML(b) })
	visible(t, `<iframe width="375" height="800" srcdoc="`+html.EscapeString(page)+`"></iframe></body>`, 4)
}

// visible requires that a page, or the page in its frame, has n visible plots with all their texts, and does not scroll sideways.
func visible(t *testing.T, page string, n int) {
	const probe = `<script>
		addEventListener("load", () => {
			let texts = 0, plots = 0, say = "";
			const doc = frames.length ? frames[0].document : document, root = doc.documentElement;
			for (const figure of doc.querySelectorAll("figure")) {
				const svg = figure.firstElementChild, frame = svg.getBoundingClientRect();
				if (frame.width == 0) continue;
				plots++;
				if (figure.scrollWidth > figure.clientWidth) say += "a plot scrolls; ";
				for (const text of svg.querySelectorAll("text")) {
					const b = text.getBoundingClientRect();
					texts++;
					if (b.width == 0 || b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1)
						say += text.textContent + " " + [b.left-frame.left, b.top-frame.top, frame.right-b.right, frame.bottom-b.bottom].map(x => x.toFixed(1)) + "; ";
				}
			}
			if (root.scrollWidth > root.clientWidth) say += "the page is " + root.scrollWidth + " wide, of " + root.clientWidth;
			document.title = "plots " + plots + ", texts " + texts + ": " + say;
		});
	</script></body>`
	dom := browse(t, strings.Replace(page, "</body>", probe, 1), "--dump-dom")
	title := regexp.MustCompile(`<title>plots (\d+), texts (\d+): (.*)</title>`).FindStringSubmatch(dom)
	require.NotNil(t, title)
	require.Equal(t, strconv.Itoa(n), title[1])
	require.Greater(t, len(title[2]), 1, "texts")
	require.Empty(t, title[3])
}

func coloursOf(t *testing.T, name string) map[color.RGBA]int {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	count := map[color.RGBA]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, a := img.At(x, y).RGBA()
			count[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), uint8(a >> 8)}]++
		}
	}
	return count
}

func TestBusyMachineIsSaidFirst(t *testing.T) {
	busy := example()
	busy.Machine.Processors, busy.Machine.Load, busy.Others = 2, "7.10 5.00 3.00", 1.5
	for _, write := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return busy.Text(b) },
		func(b *bytes.Buffer) error { return busy.Markdown(b) },
		func(b *bytes.Buffer) error { return busy.HTML(b) },
	} {
		text := render(t, write)
		require.Contains(t, text, "other processes used 1.5 of 2")
		require.Less(t, strings.Index(text, "too busy"), strings.Index(text, "echo of"))
	}
	quiet := example()
	quiet.Machine.Processors, quiet.Machine.Load, quiet.Others = 2, "7.10 5.00 3.00", 0.1 // it has just compiled this
	require.Empty(t, quiet.warning())
	unknown := quiet
	unknown.Others = -1
	require.Contains(t, unknown.warning(), "load average was 7.1")
}

func TestRowsAreSortedAndExplained(t *testing.T) {
	table := suite.Table{Unit: "replies/s", Rows: []suite.Row{
		{Name: "gone", Error: "no such peer"}, {Name: "gnet", Rounds: samples(1)}, {Name: "weir Connect", Ours: true, Rounds: samples(2)},
	}}
	r := Report{Tables: []suite.Table{table}}
	text := render(t, func(b *bytes.Buffer) error { return r.Markdown(b) })
	require.Less(t, strings.Index(text, "weir Connect"), strings.Index(text, "gnet"))
	require.Less(t, strings.Index(text, "gnet"), strings.Index(text, "gone"))
	require.Contains(t, text, "an event loop")
	require.NotContains(t, text, "net/http")
	require.NotContains(t, text, "goroutines")
	table.Rows[1].Rounds[0].Goroutines = 1
	for _, text := range []string{
		render(t, func(b *bytes.Buffer) error { return r.Markdown(b) }), render(t, func(b *bytes.Buffer) error { return r.HTML(b) }),
	} {
		require.Contains(t, text, "goroutines for each connection")
	}
	table.LessIsMore = true
	require.Equal(t, "gnet", table.Sorted()[0].Name)
}

func TestOutlierDoesNotFlattenTheOthers(t *testing.T) {
	rows := []suite.Row{{Name: "a", Rounds: samples(10)}, {Name: "b", Rounds: samples(12)}, {Name: "c", Rounds: samples(5000)}}
	require.Equal(t, 24.0, longest(rows))
	require.Equal(t, 12.0, longest(rows[:2]))
	steps := []suite.Row{}
	for _, v := range []float64{4, 10, 15, 20, 146, 604, 3300} { // each is less than seven times the one before
		steps = append(steps, suite.Row{Rounds: samples(v)})
	}
	require.Equal(t, 160.0, longest(steps))
	require.Equal(t, 1000.0, longest([]suite.Row{{Rounds: samples(1)}, {Rounds: samples(1000)}}), "two rows are shown as they are")
	require.Equal(t, 1.0, longest([]suite.Row{{Rounds: samples(0)}, {Rounds: samples(0)}, {Rounds: samples(1)}}))
}
