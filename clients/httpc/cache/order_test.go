package cache

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// gate is a RoundTripper whose requests with a field Wait are held until that channel is closed: before the answer, or
// in the body of it.
type gate struct {
	next http.RoundTripper
	wait map[string]chan struct{}
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(r)
	if c := g.wait[r.Header.Get("Head")]; c != nil {
		<-c
	}
	if c := g.wait[r.Header.Get("Body")]; c != nil && err == nil {
		resp.Body = &gatedBody{resp.Body, c}
	}
	return resp, err
}

type gatedBody struct {
	io.ReadCloser
	wait chan struct{}
}

func (b *gatedBody) Read(p []byte) (int, error) {
	<-b.wait
	return b.ReadCloser.Read(p)
}

// inGatedBubble is inBubble with a gate that holds the requests that name "x".
func inGatedBubble(t *testing.T, answers []answer, test func(t *testing.T, b *bench, open func())) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{t: t, answers: answers}
		g := &gate{o, map[string]chan struct{}{"x": make(chan struct{})}}
		c := New(NewMemory(1<<20), nil)
		test(t, &bench{o, c, c.Middleware(g)}, func() { close(g.wait["x"]) })
	})
}

// TestOlderAnswerThatEndsLaterReplacesNothing lets the body of a response end after that of one requested later.
func TestOlderAnswerThatEndsLaterReplacesNothing(t *testing.T) {
	inGatedBubble(t, []answer{
		{header: fields{"cache-control": "max-age=1000"}, body: "old"},
		{header: fields{"cache-control": "max-age=1000"}, body: "new"},
	}, func(t *testing.T, b *bench, open func()) {
		go b.get("body", "x")
		time.Sleep(time.Second)
		_, body := b.get("cache-control", "no-cache")
		require.Equal(t, "new", body)
		open()
		synctest.Wait()
		_, body = b.get()
		require.Equal(t, "new", body)
		require.Equal(t, 2, b.asked())
	})
}

// TestConfirmationKeepsTheOtherVariants confirms a variant while another one is stored, or is replaced.
func TestConfirmationKeepsTheOtherVariants(t *testing.T) {
	short := fields{"cache-control": "max-age=1", "etag": `"1"`, "vary": "a"}
	long := fields{"cache-control": "max-age=1000", "etag": `"1"`, "vary": "a"}
	t.Run("stored", func(t *testing.T) {
		inGatedBubble(t, []answer{{header: short, body: "1"}, {status: 304, header: long}, {header: long, body: "2"}}, func(t *testing.T, b *bench, open func()) {
			b.get("a", "1")
			time.Sleep(2 * time.Second)
			go b.get("a", "1", "head", "x")
			synctest.Wait()
			b.get("a", "2")
			open()
			synctest.Wait()
			_, body := b.get("a", "2")
			require.Equal(t, "2", body)
			_, body = b.get("a", "1")
			require.Equal(t, "1", body)
			require.Equal(t, 3, b.asked())
		})
	})
	t.Run("replaced", func(t *testing.T) {
		inGatedBubble(t, []answer{{header: long, body: "1"}, {header: short, body: "2"}, {status: 304, header: long}, {header: short, body: "1"}, {body: "1"}}, func(t *testing.T, b *bench, open func()) {
			b.get("a", "1")
			b.get("a", "2")
			time.Sleep(2 * time.Second)
			go b.get("a", "2", "head", "x")
			synctest.Wait()
			b.get("a", "1", "cache-control", "no-cache") // the same body, for a shorter time
			open()
			synctest.Wait()
			time.Sleep(2 * time.Second)
			b.get("a", "1")
			require.Equal(t, 5, b.asked(), "the header of the newer response counts")
		})
	})
	t.Run("dropped", func(t *testing.T) {
		inGatedBubble(t, []answer{{header: long}, {header: short, body: "2"}, {status: 304, header: long}, {header: fields{"cache-control": "no-store"}}, {body: "4"}}, func(t *testing.T, b *bench, open func()) {
			b.get("a", "1")
			b.get("a", "2")
			time.Sleep(2 * time.Second)
			go b.get("a", "2", "head", "x")
			synctest.Wait()
			b.get("a", "1", "cache-control", "no-cache")
			open()
			synctest.Wait()
			_, body := b.get("a", "1")
			require.Equal(t, "4", body)
		})
	})
}

// TestConfirmationOfAnOlderResponse lets a 304 arrive after a newer response of the same variant has been stored.
func TestConfirmationOfAnOlderResponse(t *testing.T) {
	stale := fields{"cache-control": "max-age=1", "etag": `"1"`}
	fresh := fields{"cache-control": "max-age=1000", "etag": `"2"`}
	inGatedBubble(t, []answer{{header: stale, body: "1"}, {status: 304, header: stale}, {header: fresh, body: "2"}}, func(t *testing.T, b *bench, open func()) {
		b.get()
		time.Sleep(2 * time.Second)
		go b.get("head", "x")
		time.Sleep(time.Second)
		b.get()
		open()
		synctest.Wait()
		resp, body := b.get()
		require.Equal(t, "2", body)
		require.Equal(t, `"2"`, resp.Header.Get("Etag"))
		require.Equal(t, 3, b.asked())
	})
}

// TestNotModifiedWithAnotherValidator: RFC 9111 4.3.4 lets it update only a response with the same validator.
func TestNotModifiedWithAnotherValidator(t *testing.T) {
	const before, after = "Fri, 01 Jan 1999 00:00:00 GMT", "Sat, 02 Jan 1999 00:00:00 GMT"
	for name, k := range map[string]struct {
		stored, said fields
		again        bool
	}{
		"Last-Modified":           {fields{"last-modified": after}, fields{"last-modified": before}, true},
		"a weak ETag":             {fields{"etag": `W/"1"`}, fields{"etag": `W/"2"`}, true},
		"the same Last-Modified":  {fields{"last-modified": after}, fields{"last-modified": after}, false},
		"the same ETag":           {fields{"etag": `"1"`, "last-modified": after}, fields{"etag": `"1"`, "last-modified": before}, false},
		"the same weak ETag":      {fields{"etag": `W/"1"`}, fields{"etag": `W/"1"`}, false},
		"the same ETag, now weak": {fields{"etag": `"1"`}, fields{"etag": `W/"1"`}, false},
		"a new weak ETag":         {fields{"last-modified": after}, fields{"etag": `W/"1"`, "last-modified": after}, false},
		"none":                    {fields{"etag": `"1"`, "last-modified": after}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			k.stored["cache-control"] = "max-age=1"
			inBubble(t, []answer{{header: k.stored, body: "old"}, {status: 304, header: k.said}, {body: "new"}}, func(t *testing.T, b *bench) {
				b.get()
				time.Sleep(2 * time.Second)
				_, body := b.get()
				if !k.again {
					require.Equal(t, "old", body)
					return
				}
				require.Equal(t, "new", body)
				require.Empty(t, b.seen[2].Header.Get("If-Modified-Since"))
			})
		})
	}
}
