package sse_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/sse"
)

// facts are streams and the events that the standard says they are.
var facts = map[string]struct {
	stream string
	events []sse.Event
	lastID string
	retry  time.Duration
}{
	"plain":                        {"data: a\n\ndata:b\n\ndata\n\n", []sse.Event{{Data: "a"}, {Data: "b"}, {}}, "", 0},
	"one space is taken off":       {"data:  a\n\n", []sse.Event{{Data: " a"}}, "", 0},
	"lines are joined":             {"data: a\ndata\ndata: b\n\n", []sse.Event{{Data: "a\n\nb"}}, "", 0},
	"no data, no event":            {"event: x\n\nid: 1\n\n\n\n:c\n\n", nil, "1", 0},
	"the type is for one event":    {"event: x\ndata: a\n\ndata: b\n\n", []sse.Event{{Type: "x", Data: "a"}, {Data: "b"}}, "", 0},
	"a type without data is lost":  {"event: x\n\ndata: b\n\n", []sse.Event{{Data: "b"}}, "", 0},
	"the last type counts":         {"event: x\nevent: y\ndata: a\n\n", []sse.Event{{Type: "y", Data: "a"}}, "", 0},
	"ids stay":                     {"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", []sse.Event{{ID: "1", Data: "a"}, {ID: "1", Data: "b"}, {Data: "c"}}, "", 0},
	"an id without data counts":    {"id: 1\n\ndata: b\n\n", []sse.Event{{ID: "1", Data: "b"}}, "1", 0},
	"an id with NUL is ignored":    {"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", []sse.Event{{ID: "1", Data: "a"}, {ID: "1", Data: "b"}}, "1", 0},
	"comments":                     {":\n: x\ndata: a\n:data: y\n\n", []sse.Event{{Data: "a"}}, "", 0},
	"unknown fields":               {"x: y\ndata: a\nDATA: b\n data: c\ndata : d\n\n", []sse.Event{{Data: "a"}}, "", 0},
	"CR":                           {"data: a\rdata: b\r\rdata: c\r\r", []sse.Event{{Data: "a\nb"}, {Data: "c"}}, "", 0},
	"CR LF":                        {"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", []sse.Event{{Data: "a\nb"}, {Data: "c"}}, "", 0},
	"mixed":                        {"data: a\r\ndata: b\n\rdata: c\r\n\n", []sse.Event{{Data: "a\nb"}, {Data: "c"}}, "", 0},
	"byte order mark":              {"\ufeffdata: a\n\n", []sse.Event{{Data: "a"}}, "", 0},
	"two byte order marks":         {"\ufeff\ufeffdata: a\n\ndata: b\n\n", []sse.Event{{Data: "b"}}, "", 0},
	"mark of a later event":        {"data: a\n\n\ufeffdata: b\n\n", []sse.Event{{Data: "a"}}, "", 0},
	"retry":                        {"retry: 1500\ndata: a\n\n", []sse.Event{{Data: "a", Retry: 1500 * time.Millisecond}}, "", 1500 * time.Millisecond},
	"retry alone":                  {"retry: 7\n\n", nil, "", 7 * time.Millisecond},
	"retry of zero":                {"retry: 0\n\n", nil, "", 1},
	"retry of zero, cut":           {"retry: 0\n", nil, "", 1},
	"retry that is no number":      {"retry: 1x\nretry: -1\nretry: +1\nretry: 1.5\nretry:\nretry\ndata: a\n\n", []sse.Event{{Data: "a"}}, "", 0},
	"what the end cuts is dropped": {"data: a\n\ndata: b\n", []sse.Event{{Data: "a"}}, "", 0},
	"within a line too":            {"data: a\n\ndata: b", []sse.Event{{Data: "a"}}, "", 0},
	"an empty stream":              {"", nil, "", 0},
	"NUL in data":                  {"data: \x00\n\n", []sse.Event{{Data: "\x00"}}, "", 0},
	"not UTF-8":                    {"data: a\xffb\n\n", []sse.Event{{Data: "a\ufffdb"}}, "", 0},
	"UTF-8 that breaks off":        {"data: \xf0\x9f\x98a\xe2\x82\xe2\xed\xa0\ufffd\xf0\x80b\xf0\x9f\x98\n\n", []sse.Event{{Data: "\ufffda\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdb\ufffd"}}, "", 0},
	"comments between all line ends": {
		"data:1\r:\x00\n:\r\ndata:2\n:" + strings.Repeat("x", 2048) + "\rdata:3\n:data:no\r:" + strings.Repeat("x", 2048) + "\ndata:4\n\n",
		[]sse.Event{{Data: "1\n2\n3\n4"}}, "", 0,
	},
	"names that are almost data": {
		"data:\x00\ndata:  2\rData:1\ndata\x00:2\ndata:1\r\x00data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
		[]sse.Event{{Data: "\x00\n 2\n1\n3\n\n4"}}, "", 0,
	},
	"a tab is not taken off":       {"data:\ttest\rdata: \ndata:test\n\n", []sse.Event{{Data: "\ttest\n\ntest"}}, "", 0},
	"all line ends in one event":   {"data:test\r\ndata\ndata:test\r\n\r", []sse.Event{{Data: "test\n\ntest"}}, "", 0},
	"empty data":                   {"data:\n\ndata\ndata\n\ndata:test\n\n", []sse.Event{{}, {Data: "\n"}, {Data: "test"}}, "", 0},
	"an empty type":                {"event: \ndata: a\n\nevent: x\nevent\ndata: b\n\n", []sse.Event{{Data: "a"}, {Data: "b"}}, "", 0},
	"a type with spaces":           {"event: a b \ndata: a\n\n", []sse.Event{{Type: "a b ", Data: "a"}}, "", 0},
	"a bad retry after a good one": {"retry:2000\nretry:1000x\ndata:x\n\n", []sse.Event{{Data: "x", Retry: 2 * time.Second}}, "", 2 * time.Second},
	"retry with leading zeros":     {"retry: 0005\ndata: a\n\n", []sse.Event{{Data: "a", Retry: 5 * time.Millisecond}}, "", 5 * time.Millisecond},
	"an id that is not ASCII":      {"id: \u2026\ndata: a\n\n", []sse.Event{{ID: "\u2026", Data: "a"}}, "\u2026", 0},
	"an id of the cut event":       {"id: 1\ndata: a\n\nid: 2\ndata: b\n", []sse.Event{{ID: "1", Data: "a"}}, "1", 0},
	"a retry of the cut event":     {"data: a\n\nretry: 7\ndata: b\n", []sse.Event{{Data: "a"}}, "", 7 * time.Millisecond},
	"a retry that is cut":          {"retry: 7\n\nretry: 80", nil, "", 7 * time.Millisecond},
	"almost a byte order mark":     {"\ufefcdata: a\n\ndata: b\n\n", []sse.Event{{Data: "b"}}, "", 0},
	"half a byte order mark":       {"\xef\xbbdata: a\n\ndata: b\n\n", []sse.Event{{Data: "b"}}, "", 0},
	"a mark alone":                 {"\ufeff", nil, "", 0},
	"a colon in a value":           {"data: a: b\n\ndata::c\n\n", []sse.Event{{Data: "a: b"}, {Data: ":c"}}, "", 0},
}

func TestStreamsAreReadAsTheStandardSaysWhateverTheChunks(t *testing.T) {
	for name, fact := range facts {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 1000} {
				var chunks [][]byte
				for p := []byte(fact.stream); len(p) > 0; {
					n := min(size, len(p))
					chunks = append(chunks, p[:n])
					p = p[n:]
				}
				var state sse.State
				src := sse.Decode(chanio.FromSlice(chunks), &sse.StreamConfig{State: &state})
				var got []sse.Event
				for {
					e, err := src.Recv(t.Context())
					if err == io.EOF {
						break
					}
					require.NoError(t, err)
					got = append(got, e)
				}
				require.Equal(t, fact.events, got, "chunks of %d", size)
				require.Equal(t, fact.lastID, state.LastID())
				require.Equal(t, fact.retry, state.Retry())
			}
		})
	}
}

// TestEventThatEndsInCRIsNotHeldBack wants it before the next byte has come.
func TestEventThatEndsInCRIsNotHeldBack(t *testing.T) {
	in, out := chanio.PipeOf[[]byte](4)
	events := sse.Decode(in, nil)
	for range 3 {
		require.NoError(t, out.Send(t.Context(), []byte("data: a\r\n\r")))
		e, err := events.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a", e.Data)
		require.NoError(t, out.Send(t.Context(), []byte("\n")))
	}
	require.NoError(t, events.Close())
}

func TestEventsAreSentSoThatTheyArriveAsTheyWere(t *testing.T) {
	c := sse.Events(0)
	for _, e := range []sse.Event{
		{}, {Data: "a"}, {Data: " a"}, {Data: "a\n\nb\n"}, {Data: "\n"}, {ID: "7", Type: "t", Data: "d", Retry: time.Second},
		{ID: " x ", Data: ":"}, {Type: "only"},
	} {
		p, err := codec.Marshal(c, e)
		require.NoError(t, err)
		got, err := codec.Unmarshal(c, p)
		require.NoError(t, err, "%q", p)
		require.Equal(t, e, got, "%q", p)
	}
	p, err := codec.Marshal(c, sse.Event{Data: "a\r\nb\rc"})
	require.NoError(t, err)
	require.Equal(t, "data: a\ndata: b\ndata: c\n\n", string(p))
	p, err = codec.Marshal(c, sse.Event{Comment: "alive\nstill"})
	require.NoError(t, err)
	require.Equal(t, ": alive\n: still\n\n", string(p))
	p, err = codec.Marshal(c, sse.Event{Retry: time.Second})
	require.NoError(t, err)
	require.Equal(t, "retry: 1000\n\n", string(p))
	p, err = codec.Marshal(c, sse.Event{ID: "e-1", Comment: "alive"}) // as a Topic numbers it
	require.NoError(t, err)
	require.Equal(t, ": alive\nid: e-1\n\n", string(p))
}

func TestWhatWouldBeAnotherFieldIsRefused(t *testing.T) {
	for _, bad := range []sse.Event{
		{ID: "a\nb"}, {ID: "a\rb"}, {ID: "\x00"}, {Type: "a\nb"}, {Type: "\r"}, {Type: "a\x00"}, {Retry: -1}, {Retry: time.Microsecond},
	} {
		_, err := codec.Marshal(sse.Events(0), bad)
		require.ErrorIs(t, err, codec.ErrMalformed, "%+v", bad)
	}
}

func TestEventsBeyondTheLimitAreRefusedBothWays(t *testing.T) {
	c := sse.Events(100)
	_, err := codec.Marshal(c, sse.Event{Data: strings.Repeat("x", 100)})
	require.ErrorIs(t, err, codec.ErrTooLarge)
	for _, stream := range []string{
		"data: " + strings.Repeat("x", 100), strings.Repeat("data: x\n", 20), ":" + strings.Repeat("x", 1000) + "\n\n", strings.Repeat("x\n", 100),
	} {
		_, err = codec.Unmarshal(c, []byte(stream+"\n\n"))
		require.ErrorIs(t, err, codec.ErrTooLarge, stream)
		src := sse.Decode(chanio.FromSlice([][]byte{[]byte(stream)}), &sse.StreamConfig{MaxEvent: 100})
		_, err = src.Recv(t.Context())
		require.ErrorIs(t, err, codec.ErrTooLarge, stream)
	}
}

func FuzzStream(f *testing.F) {
	for _, fact := range facts {
		f.Add([]byte(fact.stream), 3)
	}
	f.Add([]byte("event:\x00\ndata:\n\n"), 3)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		read := func(chunks ...[]byte) (all []sse.Event, err error) {
			src := sse.Decode(chanio.FromSlice(chunks), &sse.StreamConfig{MaxEvent: 1000})
			for {
				e, err := src.Recv(t.Context())
				if err != nil {
					return all, err
				}
				all = append(all, e)
			}
		}
		cut = min(max(cut, 0), len(p))
		whole, err := read(p)
		pieces, pieceErr := read(p[:cut], p[cut:])
		require.Equal(t, whole, pieces)
		require.Equal(t, err == io.EOF, pieceErr == io.EOF)
		for _, e := range whole {
			e.Data = strings.ReplaceAll(e.Data, "\r", "")
			sent, err := codec.Marshal(sse.Events(1<<20), e)
			if strings.Contains(e.Type, "\x00") { // which is received and not sent
				require.ErrorIs(t, err, codec.ErrMalformed)
				continue
			}
			require.NoError(t, err)
			got, err := codec.Unmarshal(sse.Events(1<<20), sent)
			if e.Data == "" && e.Type == "" && e.ID == "" && e.Retry != 0 {
				continue // which is no event
			}
			require.NoError(t, err)
			require.Equal(t, e, got)
		}
	})
}
