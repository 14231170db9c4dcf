package cache

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/jarctx"
)

// TestPartOfAStoredResponse requests ranges, and checks which requests reach the server.
func TestPartOfAStoredResponse(t *testing.T) {
	header := fields{"cache-control": "max-age=10", "etag": `"x"`, "last-modified": "Fri, 01 Jan 1999 00:00:00 GMT", "x-a": "1"}
	for name, k := range map[string]struct {
		request fields // in addition to Range
		span    string
		status  int // 0: the request reaches the server
		body    string
		content string // Content-Range
	}{
		"from the start":        {span: "bytes=0-1", status: 206, body: "01", content: "bytes 0-1/10"},
		"from the middle":       {span: "bytes=3-5", status: 206, body: "345", content: "bytes 3-5/10"},
		"one byte":              {span: "bytes=9-9", status: 206, body: "9", content: "bytes 9-9/10"},
		"up to the end":         {span: "bytes=8-", status: 206, body: "89", content: "bytes 8-9/10"},
		"beyond the end":        {span: "bytes=8-100", status: 206, body: "89", content: "bytes 8-9/10"},
		"the last ones":         {span: "bytes=-3", status: 206, body: "789", content: "bytes 7-9/10"},
		"more than there are":   {span: "bytes=-30", status: 206, body: "0123456789", content: "bytes 0-9/10"},
		"a unit in capitals":    {span: "Bytes=0-0", status: 206, body: "0", content: "bytes 0-0/10"},
		"behind the end":        {span: "bytes=10-"},
		"none of the last":      {span: "bytes=-0"},
		"the wrong way around":  {span: "bytes=5-3"},
		"several":               {span: "bytes=0-1,3-4"},
		"two fields":            {span: "bytes=0-1|bytes=0-1"},
		"another unit":          {span: "lines=0-1"},
		"a sign":                {span: "bytes=+1-2"},
		"nothing":               {span: "bytes=-"},
		"no range":              {span: "bytes"},
		"too large a number":    {span: "bytes=0-99999999999999999999"},
		"If-Range that holds":   {request: fields{"if-range": `"x"`}, span: "bytes=0-1", status: 206, body: "01", content: "bytes 0-1/10"},
		"If-Range of another":   {request: fields{"if-range": `"y"`}, span: "bytes=0-1"},
		"If-Range that is weak": {request: fields{"if-range": `W/"x"`}, span: "bytes=0-1"},
		"If-Range of a time":    {request: fields{"if-range": header["last-modified"]}, span: "bytes=0-1", status: 206, body: "01", content: "bytes 0-1/10"},
		"If-Range of a later":   {request: fields{"if-range": "Fri, 01 Jan 1999 00:00:01 GMT"}, span: "bytes=0-1"},
		"it has it already":     {request: fields{"if-none-match": `"x"`}, span: "bytes=0-1", status: 304},
		"asks no-cache":         {request: fields{"cache-control": "no-cache"}, span: "bytes=0-1"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{{header: header, body: "0123456789"}, {status: 206, body: "of the server"}}, func(t *testing.T, b *bench) {
				b.get()
				request := []string{"range", k.span}
				for name, v := range k.request {
					request = append(request, name, v)
				}
				resp, body := b.get(request...)
				if k.status == 0 {
					require.Equal(t, 2, b.asked())
					require.Equal(t, "of the server", body)
					require.NotEmpty(t, b.seen[1].Header["Range"])
				} else {
					require.Equal(t, 1, b.asked())
					require.Equal(t, k.status, resp.StatusCode)
					require.Equal(t, k.body, body)
					require.EqualValues(t, len(body), resp.ContentLength)
					require.Equal(t, k.content, resp.Header.Get("Content-Range"))
					require.Equal(t, "1", resp.Header.Get("X-A"))
				}
				_, body = b.get()
				require.Equal(t, "0123456789", body, "the whole is still there")
			})
		})
	}
}

// TestPartOfWhatIsNotThereIsOfTheServer requests parts of missing, stale and failed responses. The answers are not
// stored.
func TestPartOfWhatIsNotThereIsOfTheServer(t *testing.T) {
	for name, k := range map[string]struct {
		first answer
		after time.Duration
	}{
		"stale": {answer{header: fields{"cache-control": "max-age=10", "etag": `"x"`}, body: "0123"}, time.Minute},
		"404":   {answer{status: 404, header: fields{"cache-control": "max-age=10"}, body: "0123"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			part := answer{status: 206, header: fields{"cache-control": "max-age=10", "content-range": "bytes 0-0/1"}, body: "p"}
			inBubble(t, []answer{k.first, part}, func(t *testing.T, b *bench) {
				b.get()
				time.Sleep(k.after)
				for n := range 2 {
					_, body := b.get("range", "bytes=0-0")
					require.Equal(t, "p", body)
					require.Equal(t, n+2, b.asked())
					require.Empty(t, b.seen[n+1].Header["If-None-Match"], "the server says what it thinks of the range")
				}
			})
		})
	}
}

func TestOnlyIfCachedIsNeverSent(t *testing.T) {
	for name, request := range map[string][]string{
		"a range":     {"range", "bytes=0-0"},
		"a condition": {"if-match", `"x"`},
		"no-store":    {"cache-control", "no-store, only-if-cached"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{{}}, func(t *testing.T, b *bench) {
				resp, _ := b.get(append([]string{"cache-control", "only-if-cached"}, request...)...)
				require.Equal(t, 504, resp.StatusCode)
				require.Zero(t, b.asked())
			})
		})
	}
}

// TestStoredCookiesGoToNoJar uses a client with a jar that has already received the cookies.
func TestStoredCookiesGoToNoJar(t *testing.T) {
	inBubble(t, []answer{
		{header: fields{"cache-control": "max-age=10", "etag": `"x"`, "set-cookie": "a=1", "set-cookie2": "b=1"}},
		{status: 304, header: fields{"etag": `"x"`, "cache-control": "max-age=10"}},
		{status: 304, header: fields{"etag": `"x"`, "cache-control": "max-age=10", "set-cookie": "a=2"}},
	}, func(t *testing.T, b *bench) {
		get := func() http.Header {
			r, err := http.NewRequestWithContext(jarctx.With(context.Background()), http.MethodGet, page1, nil)
			require.NoError(t, err)
			resp, err := b.rt.RoundTrip(r)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return resp.Header
		}
		require.Equal(t, []string{"a=1"}, get()["Set-Cookie"], "it is new")
		h := get()
		require.Empty(t, h["Set-Cookie"])
		require.Empty(t, h["Set-Cookie2"])
		time.Sleep(time.Minute)
		require.Empty(t, get()["Set-Cookie"], "the 304 says nothing of it")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"a=2"}, get()["Set-Cookie"], "the 304 says so")
		require.Empty(t, get()["Set-Cookie"])
		without, _ := b.get()
		require.Equal(t, []string{"a=2"}, without.Header["Set-Cookie"])
	})
}
