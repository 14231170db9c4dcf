package cache

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

type fields = map[string]string

// TestWhenAResponseIsUsedAgain sends a request some time after the first response, and checks whether the server is
// asked.
func TestWhenAResponseIsUsedAgain(t *testing.T) {
	const again, asked = 1, 2
	for name, k := range map[string]struct {
		status  int
		header  fields
		request fields // the second one
		after   time.Duration
		want    int
	}{
		// RFC 9111 4.2.1
		"max-age":                           {header: fields{"cache-control": "max-age=10"}, after: 9 * time.Second, want: again},
		"max-age that is over":              {header: fields{"cache-control": "max-age=10"}, after: 10 * time.Second, want: asked},
		"max-age of 0":                      {header: fields{"cache-control": "max-age=0"}, want: asked},
		"max-age, quoted":                   {header: fields{"cache-control": `max-age="10"`}, want: again},
		"max-age in capitals":               {header: fields{"cache-control": "MaX-AgE=10"}, want: again},
		"max-age with zeros":                {header: fields{"cache-control": "max-age=0010"}, after: 9 * time.Second, want: again},
		"max-age beyond all":                {header: fields{"cache-control": "max-age=99999999999999999999"}, after: 24 * time.Hour, want: again},
		"max-age, single quotes":            {header: fields{"cache-control": "max-age='10'"}, want: asked},
		"max-age below zero":                {header: fields{"cache-control": "max-age=-10"}, want: asked},
		"max-age that is no number":         {header: fields{"cache-control": "max-age=1a"}, want: asked},
		"max-age that is a fraction":        {header: fields{"cache-control": "max-age=10.0"}, want: asked},
		"max-age with a space":              {header: fields{"cache-control": "max-age = 10"}, want: asked},
		"max-age within quotes":             {header: fields{"cache-control": `x="max-age=100", max-age=1`}, after: 5 * time.Second, want: asked},
		"max-age behind quotes":             {header: fields{"cache-control": `max-age=1, x="a, max-age=100"`}, after: 5 * time.Second, want: asked},
		"max-age twice":                     {header: fields{"cache-control": "max-age=1|max-age=100"}, after: 5 * time.Second, want: asked},
		"max-age before Expires":            {header: fields{"cache-control": "max-age=10", "expires": "ago 1h"}, after: 5 * time.Second, want: again},
		"max-age of 0 before Expires":       {header: fields{"cache-control": "max-age=0", "expires": "in 1h"}, want: asked},
		"s-maxage is for shared caches":     {header: fields{"cache-control": "s-maxage=100, max-age=1"}, after: 5 * time.Second, want: asked},
		"Expires":                           {header: fields{"expires": "in 10s"}, after: 9 * time.Second, want: again},
		"Expires that is over":              {header: fields{"expires": "in 10s"}, after: 10 * time.Second, want: asked},
		"Expires before now":                {header: fields{"expires": "ago 1h"}, want: asked},
		"Expires of 0":                      {header: fields{"expires": "0"}, want: asked},
		"Expires that is malformed":         {header: fields{"expires": "Thu, 18 Aug 2050 02:01:18 EST"}, want: asked},
		"Expires in UTC":                    {header: fields{"expires": "Thu, 18 Aug 2050 02:01:18 UTC"}, want: again},
		"Expires in small letters":          {header: fields{"expires": "thu, 18 aug 2050 02:01:18 gmt"}, want: again},
		"Expires of RFC 850":                {header: fields{"expires": "Thursday, 18-Aug-49 02:01:18 GMT"}, want: again},
		"Expires of RFC 850, long ago":      {header: fields{"expires": "Thursday, 18-Aug-99 02:01:18 GMT"}, want: asked},
		"Expires of asctime":                {header: fields{"expires": "Thu Aug 18 02:01:18 2050"}, want: again},
		"Age that is no number":             {header: fields{"cache-control": "max-age=100", "age": "abc"}, want: again},
		"negative Age":                      {header: fields{"cache-control": "max-age=100", "age": "-7200"}, want: again},
		"Age with a fraction":               {header: fields{"cache-control": "max-age=100", "age": "7200.0"}, want: again},
		"Age of 32 bits":                    {header: fields{"cache-control": "max-age=100", "age": "2147483649"}, want: asked},
		"Age twice, the first counts":       {header: fields{"cache-control": "max-age=100", "age": "7200|0"}, want: asked},
		"Age as a list, the first counts":   {header: fields{"cache-control": "max-age=100", "age": "0, 7200"}, want: again},
		"two lifetimes, the first counts":   {header: fields{"cache-control": "max-age=1|max-age=100"}, after: 3 * time.Second, want: asked},
		"two lifetimes, the first is long":  {header: fields{"cache-control": "max-age=100, max-age=1"}, after: 3 * time.Second, want: again},
		"a lifetime in single quotes":       {header: fields{"cache-control": "max-age='100'"}, want: asked},
		"Expires is from Date on":           {header: fields{"expires": "in 10s", "date": "ago 5s"}, after: 9 * time.Second, want: again},
		"Age":                               {header: fields{"cache-control": "max-age=10", "age": "8"}, after: time.Second, want: again},
		"Age that adds up":                  {header: fields{"cache-control": "max-age=10", "age": "8"}, after: 2 * time.Second, want: asked},
		"Age, first of several":             {header: fields{"cache-control": "max-age=10", "age": "15, 0"}, want: asked},
		"Age that is no number, fresh":      {header: fields{"cache-control": "max-age=10", "age": "x"}, want: again},
		"Date in the past":                  {header: fields{"cache-control": "max-age=10", "date": "ago 11s"}, want: asked},
		"nothing said":                      {want: asked},
		"Last-Modified":                     {header: fields{"last-modified": "ago 100s"}, after: 9 * time.Second, want: again},
		"Last-Modified that is over":        {header: fields{"last-modified": "ago 100s"}, after: 10 * time.Second, want: asked},
		"Last-Modified long ago":            {header: fields{"last-modified": "ago 9999h"}, after: 25 * time.Hour, want: asked},
		"Last-Modified of 404":              {status: 404, header: fields{"last-modified": "ago 100s"}, want: again},
		"Last-Modified of 201":              {status: 201, header: fields{"last-modified": "ago 100s"}, want: asked},
		"Last-Modified of 201 that is open": {status: 201, header: fields{"last-modified": "ago 100s", "cache-control": "public"}, want: again},

		// RFC 9111 3, 5.2.2
		"no-store":                     {header: fields{"cache-control": "max-age=10, no-store"}, want: asked},
		"no-store in capitals":         {header: fields{"cache-control": "max-age=10, No-Store"}, want: asked},
		"private":                      {header: fields{"cache-control": "private, max-age=10"}, want: again},
		"no-cache":                     {header: fields{"cache-control": "max-age=10, no-cache"}, want: asked},
		"no-cache of a field":          {header: fields{"cache-control": `max-age=10, no-cache="x"`}, want: again},
		"must-revalidate, fresh":       {header: fields{"cache-control": "max-age=10, must-revalidate"}, want: again},
		"must-understand":              {header: fields{"cache-control": "max-age=10, must-understand, no-store"}, want: again},
		"must-understand, unknown":     {status: 299, header: fields{"cache-control": "max-age=10, must-understand"}, want: asked},
		"302 with max-age":             {status: 302, header: fields{"cache-control": "max-age=10"}, want: again},
		"503 with max-age":             {status: 503, header: fields{"cache-control": "max-age=10"}, want: again},
		"599 with max-age":             {status: 599, header: fields{"cache-control": "max-age=10"}, want: again},
		"206 with max-age":             {status: 206, header: fields{"cache-control": "max-age=10"}, want: asked},
		"700 with max-age":             {status: 700, header: fields{"cache-control": "max-age=10"}, want: asked},
		"with a cookie set":            {header: fields{"cache-control": "max-age=10", "set-cookie": "a=b"}, want: again},
		"max-age and an empty element": {header: fields{"cache-control": ",, max-age=10"}, want: again},

		// RFC 9111 5.2.1
		"asks no-cache":                   {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "no-cache"}, want: asked},
		"asks no-store":                   {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "no-store"}, want: asked},
		"asks by Pragma":                  {header: fields{"cache-control": "max-age=10"}, request: fields{"pragma": "no-cache"}, want: asked},
		"Pragma beside Cache-Control":     {header: fields{"cache-control": "max-age=10"}, request: fields{"pragma": "no-cache", "cache-control": "max-age=5"}, want: again},
		"asks max-age":                    {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "max-age=5"}, after: 6 * time.Second, want: asked},
		"asks max-age of 0":               {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "max-age=0"}, after: time.Second, want: asked},
		"asks min-fresh":                  {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "min-fresh=5"}, after: 6 * time.Second, want: asked},
		"asks min-fresh, enough":          {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "min-fresh=5"}, after: 4 * time.Second, want: again},
		"asks max-stale":                  {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "max-stale=5"}, after: 15 * time.Second, want: again},
		"asks max-stale, too old":         {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "max-stale=5"}, after: 16 * time.Second, want: asked},
		"asks max-stale without an end":   {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "max-stale"}, after: time.Hour, want: again},
		"max-stale and must-revalidate":   {header: fields{"cache-control": "max-age=10, must-revalidate"}, request: fields{"cache-control": "max-stale"}, after: time.Hour, want: asked},
		"asks only what is there":         {header: fields{"cache-control": "max-age=10"}, request: fields{"cache-control": "only-if-cached"}, want: again},
		"asks for a range":                {header: fields{"cache-control": "max-age=10"}, request: fields{"range": "bytes=7-"}, want: asked},
		"asks on a condition of its own":  {header: fields{"cache-control": "max-age=10"}, request: fields{"if-match": `"x"`}, want: asked},
		"asks with another Cookie":        {header: fields{"cache-control": "max-age=10"}, request: fields{"cookie": "a=b"}, want: again},
		"asks with Authorization":         {header: fields{"cache-control": "max-age=10"}, request: fields{"authorization": "Bearer x"}, want: asked},
		"Vary that says everything":       {header: fields{"cache-control": "max-age=10", "vary": "*"}, want: asked},
		"Vary that says everything, too":  {header: fields{"cache-control": "max-age=10", "vary": "x|y, *"}, want: asked},
		"Vary of what neither request is": {header: fields{"cache-control": "max-age=10", "vary": "x"}, want: again},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{{status: k.status, header: k.header, body: "first"}, {body: "second"}}, func(t *testing.T, b *bench) {
				_, body := b.get()
				require.Equal(t, "first", body)
				time.Sleep(k.after)
				var request []string
				for name, v := range k.request {
					request = append(request, name, v)
				}
				resp, body := b.get(request...)
				require.Equal(t, k.want, b.asked())
				if k.want == asked {
					require.Equal(t, "second", body)
					require.NotContains(t, resp.Header[statusField], hit)
					return
				}
				require.Equal(t, "first", body)
				require.Contains(t, resp.Header[statusField], hit)
				if k.status != 0 {
					require.Equal(t, k.status, resp.StatusCode)
				}
				require.EqualValues(t, len(body), resp.ContentLength)
				if cookie := k.header["set-cookie"]; cookie != "" {
					require.Equal(t, cookie, resp.Header.Get("Set-Cookie"))
				}
			})
		})
	}
}

func TestAgeIsWhatHasPassed(t *testing.T) {
	inBubble(t, []answer{{header: fields{"cache-control": "max-age=600", "age": "30"}}}, func(t *testing.T, b *bench) {
		first, _ := b.get()
		time.Sleep(3 * time.Second)
		resp, _ := b.get()
		require.Equal(t, "33", resp.Header.Get("Age"))
		require.Equal(t, first.Header.Get("Date"), resp.Header.Get("Date"))
	})
}

func TestOnlyIfCachedFindsNothing(t *testing.T) {
	inBubble(t, []answer{{}}, func(t *testing.T, b *bench) {
		resp, _ := b.get("cache-control", "only-if-cached")
		require.Equal(t, 504, resp.StatusCode)
		require.Equal(t, missed, resp.Header.Get("Cache-Status"))
		require.Zero(t, b.asked())
	})
}

// TestStaleResponseIsValidated checks the validators that are sent, and what a 304 changes.
func TestStaleResponseIsValidated(t *testing.T) {
	for name, k := range map[string]struct{ header, sent fields }{
		"ETag":          {fields{"etag": `"x"`}, fields{"If-None-Match": `"x"`}},
		"weak ETag":     {fields{"etag": `W/"x"`}, fields{"If-None-Match": `W/"x"`}},
		"Last-Modified": {fields{"last-modified": "Fri, 01 Jan 1999 00:00:00 GMT"}, fields{"If-Modified-Since": "Fri, 01 Jan 1999 00:00:00 GMT"}},
	} {
		t.Run(name, func(t *testing.T) {
			first := fields{"cache-control": "max-age=1", "x-a": "1", "x-b": "2", "content-encoding": "x", "connection": "x-c", "x-c": "3", "keep-alive": "x"}
			for name, v := range k.header {
				first[name] = v
			}
			inBubble(t, []answer{
				{header: first, body: "hello"},
				{status: 304, header: fields{
					"cache-control": "max-age=100", "x-a": "new", "content-length": "77", "content-encoding": "y", "set-cookie": "a=b",
				}},
				{body: "not asked for"},
			}, func(t *testing.T, b *bench) {
				b.get()
				time.Sleep(2 * time.Second)
				resp, body := b.get()
				require.Equal(t, 2, b.asked())
				require.Equal(t, "hello", body)
				require.Equal(t, 200, resp.StatusCode)
				require.Equal(t, []string{"a=b"}, resp.Header["Set-Cookie"], "the server has just said so")
				require.Contains(t, resp.Header[statusField], validated)
				for name, v := range k.sent {
					require.Equal(t, v, b.seen[1].Header.Get(name))
				}
				for range 2 {
					require.Equal(t, "new", resp.Header.Get("X-A"))
					require.Equal(t, "2", resp.Header.Get("X-B"))
					require.Equal(t, "x", resp.Header.Get("Content-Encoding"))
					require.NotContains(t, resp.Header, "Content-Length")
					require.NotContains(t, resp.Header, "X-C")
					require.NotContains(t, resp.Header, "Keep-Alive")
					time.Sleep(40 * time.Second)
					resp, body = b.get()
					require.Equal(t, "hello", body)
				}
				require.Equal(t, 2, b.asked(), "it is fresh again")
				require.Equal(t, []string{"a=b"}, resp.Header["Set-Cookie"])
			})
		})
	}
}

func TestStaleResponseThatHasChangedIsReplaced(t *testing.T) {
	inBubble(t, []answer{
		{header: fields{"cache-control": "max-age=1", "etag": `"1"`}, body: "old"},
		{header: fields{"cache-control": "max-age=100", "etag": `"2"`}, body: "new"},
	}, func(t *testing.T, b *bench) {
		b.get()
		time.Sleep(2 * time.Second)
		for range 3 {
			_, body := b.get()
			require.Equal(t, "new", body)
		}
		require.Equal(t, 2, b.asked())
	})
}

// TestNotModifiedOfAnotherIsNotBelieved uses a 304 for a response that the cache does not have.
func TestNotModifiedOfAnotherIsNotBelieved(t *testing.T) {
	inBubble(t, []answer{
		{header: fields{"cache-control": "max-age=1", "etag": `"1"`}, body: "old"},
		{status: 304, header: fields{"etag": `"2"`}},
		{header: fields{"etag": `"2"`}, body: "new"},
	}, func(t *testing.T, b *bench) {
		b.get()
		time.Sleep(2 * time.Second)
		_, body := b.get()
		require.Equal(t, "new", body)
		require.Empty(t, b.seen[2].Header.Get("If-None-Match"))
	})
}

// TestResponseThatMayNotBeStoredEndsTheOldOne: otherwise the old response would be used on an error.
func TestResponseThatMayNotBeStoredEndsTheOldOne(t *testing.T) {
	inBubble(t, []answer{
		{header: fields{"cache-control": "max-age=1, stale-if-error=1000", "etag": `"1"`}, body: "old"},
		{header: fields{"cache-control": "no-store"}, body: "new"},
		{err: errors.New("down")},
	}, func(t *testing.T, b *bench) {
		b.get()
		time.Sleep(2 * time.Second)
		b.get()
		_, _, err := b.do("GET", page1, nil)
		require.ErrorContains(t, err, "down")
	})
}

// TestConditionsOfTheCaller checks that conditions are evaluated with the stored response (RFC 9111 4.3.2).
func TestConditionsOfTheCaller(t *testing.T) {
	for name, k := range map[string]struct {
		request fields
		want    int
	}{
		"ETag":                        {fields{"if-none-match": `"x"`}, 304},
		"weak":                        {fields{"if-none-match": `W/"x"`}, 304},
		"of several":                  {fields{"if-none-match": `"a", "b,c", "x"`}, 304},
		"any":                         {fields{"if-none-match": "*"}, 304},
		"another":                     {fields{"if-none-match": `"y"`}, 200},
		"another goes before the age": {fields{"if-none-match": `"y"`, "if-modified-since": "in 1h"}, 200},
		"unchanged since":             {fields{"if-modified-since": "ago 100s"}, 304},
		"changed since":               {fields{"if-modified-since": "ago 101s"}, 200},
		"malformed":                   {fields{"if-modified-since": "yesterday"}, 200},
	} {
		for _, stale := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", stale: ", stale), func(t *testing.T) {
				age := "max-age=100"
				if stale {
					age = "max-age=0"
				}
				h := fields{"cache-control": age, "etag": `"x"`, "last-modified": "ago 100s", "content-type": "text/plain", "vary": "y"}
				inBubble(t, []answer{{header: h, body: "hello"}, {status: 304, header: fields{"etag": `"x"`}}}, func(t *testing.T, b *bench) {
					b.get()
					resp, body, err := b.do("GET", page1, k.request)
					require.NoError(t, err)
					require.Equal(t, k.want, resp.StatusCode)
					require.Equal(t, `"x"`, resp.Header.Get("Etag"))
					if k.want == 304 {
						require.Empty(t, body)
						require.NotContains(t, resp.Header, "Content-Type")
						require.Equal(t, "y", resp.Header.Get("Vary"))
					} else {
						require.Equal(t, "hello", body)
					}
				})
			})
		}
	}
}

func TestConditionsGoToTheServerIfNothingIsStored(t *testing.T) {
	inBubble(t, []answer{{status: 304}}, func(t *testing.T, b *bench) {
		for n := range 2 {
			resp, _ := b.get("if-none-match", `"x"`)
			require.Equal(t, 304, resp.StatusCode)
			require.Equal(t, `"x"`, b.seen[n].Header.Get("If-None-Match"))
		}
	})
}

// TestVary uses pairs of requests (RFC 9111 4.1).
func TestVary(t *testing.T) {
	for name, k := range map[string]struct {
		vary          string
		first, second fields
		same          bool
	}{
		"match":              {"foo", fields{"foo": "1"}, fields{"foo": "1"}, true},
		"no match":           {"foo", fields{"foo": "1"}, fields{"foo": "2"}, false},
		"left out":           {"foo", fields{"foo": "1"}, fields{}, false},
		"left out at first":  {"foo", fields{}, fields{"foo": "1"}, false},
		"empty is not none":  {"foo", fields{}, fields{"foo": ""}, false},
		"of two":             {"foo, bar", fields{"foo": "1", "bar": "2"}, fields{"foo": "1", "bar": "2"}, true},
		"one of two":         {"foo, bar", fields{"foo": "1", "bar": "2"}, fields{"foo": "1", "bar": "3"}, false},
		"in two lines":       {"foo|bar", fields{"foo": "1", "bar": "2"}, fields{"foo": "1", "bar": "3"}, false},
		"others":             {"foo", fields{"foo": "1", "bar": "2"}, fields{"foo": "1", "bar": "3"}, true},
		"white space":        {"foo", fields{"foo": "1,2"}, fields{"foo": " 1, 2 "}, true},
		"lines":              {"foo", fields{"foo": "1, 2"}, fields{"foo": "1|2"}, true},
		"capitals":           {"FOO", fields{"foo": "1"}, fields{"foo": "2"}, false},
		"same Authorization": {"", fields{"authorization": "Basic x"}, fields{"authorization": "Basic x"}, true},
		"other credentials":  {"", fields{"authorization": "Basic x"}, fields{"authorization": "Basic y"}, false},
		"none of them":       {"", fields{"authorization": "Basic x"}, fields{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := fields{"cache-control": "max-age=10"}
			if k.vary != "" {
				h["vary"] = k.vary
			}
			inBubble(t, []answer{{header: h, body: "first"}, {header: h, body: "second"}}, func(t *testing.T, b *bench) {
				want := "second"
				if k.same {
					want = "first"
				}
				for range 2 {
					for request, want := range map[*fields]string{&k.first: "first", &k.second: want} {
						if b.asked() == 0 {
							request, want = &k.first, "first"
						}
						_, body, err := b.do("GET", page1, *request)
						require.NoError(t, err)
						require.Equal(t, want, body)
					}
				}
			})
		})
	}
}

// TestVariantsAreBounded checks that the oldest variant is dropped with its body.
func TestVariantsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(1 << 20)
		b := newBench(t, m, &Config{MaxVariants: 3}, answer{header: fields{"cache-control": "max-age=1000", "vary": "x"}, body: "hello"})
		for i := range 10 {
			b.get("x", strconv.Itoa(i))
		}
		require.Len(t, m.entries, 1+3)
		require.Equal(t, 10, b.asked())
		b.get("x", "9")
		require.Equal(t, 10, b.asked())
		b.get("x", "0")
		require.Equal(t, 11, b.asked())
	})
}

// TestConfirmedResponseThatVariesByMoreIsReplaced checks that a later response to the same request replaces a stored one
// whose Vary a 304 or a response to HEAD has changed.
func TestConfirmedResponseThatVariesByMoreIsReplaced(t *testing.T) {
	plain := fields{"cache-control": "max-age=10", "etag": `"1"`}
	varies := fields{"cache-control": "max-age=10", "etag": `"1"`, "vary": "x"}
	for method, status := range map[string]int{"GET": 304, "HEAD": 200} {
		synctest.Test(t, func(t *testing.T) {
			m := NewMemory(1 << 20)
			b := newBench(t, m, nil, answer{header: plain, body: "old"}, answer{status: status, header: varies}, answer{header: varies, body: "new"})
			b.get("x", "1")
			time.Sleep(11 * time.Second)
			_, _, err := b.do(method, page1, fields{"x": "1"})
			require.NoError(t, err)
			_, body := b.get("x", "1")
			require.Equal(t, "old", body, method)
			require.Equal(t, 2, b.asked())
			require.Len(t, m.entries, 2)
			b.get("x", "1", "cache-control", "no-cache")
			_, body = b.get("x", "1")
			require.Equal(t, "new", body)
			require.Equal(t, 3, b.asked())
			require.Len(t, m.entries, 2)
		})
	}
}

// TestUnsafeMethodsInvalidate covers RFC 9111 4.4.
func TestUnsafeMethodsInvalidate(t *testing.T) {
	for name, k := range map[string]struct {
		method string
		url    string
		status int
		header fields
		kept   bool
	}{
		"POST":                       {method: "POST", url: page1},
		"PUT":                        {method: "PUT", url: page1},
		"DELETE":                     {method: "DELETE", url: page1, status: 204},
		"unknown":                    {method: "M-SEARCH", url: page1},
		"with a port":                {method: "POST", url: "http://A.example:80/page"},
		"redirect":                   {method: "POST", url: page1, status: 303},
		"fails":                      {method: "POST", url: page1, status: 500, kept: true},
		"refused":                    {method: "POST", url: page1, status: 403, kept: true},
		"another URL":                {method: "POST", url: "http://a.example/other", kept: true},
		"OPTIONS":                    {method: "OPTIONS", url: page1, kept: true},
		"Location":                   {method: "POST", url: "http://a.example/other", status: 201, header: fields{"location": "/page"}},
		"Content-Location":           {method: "PUT", url: "http://a.example/other", header: fields{"content-location": page1}},
		"Location of another origin": {method: "POST", url: "http://b.example/other", status: 201, header: fields{"location": page1}, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{
				{header: fields{"cache-control": "max-age=1000"}, body: "hello"}, {status: k.status, header: k.header}, {},
			}, func(t *testing.T, b *bench) {
				b.get()
				_, _, err := b.do(k.method, k.url, nil)
				require.NoError(t, err)
				b.get()
				want := 3
				if k.kept {
					want = 2
				}
				require.Equal(t, want, b.asked())
			})
		})
	}
}

// TestResponseOnItsWayIsInvalidatedToo uses a body that is read to its end after its URL has changed.
func TestResponseOnItsWayIsInvalidatedToo(t *testing.T) {
	inBubble(t, []answer{{header: fields{"cache-control": "max-age=1000"}, body: "old"}, {}, {body: "new"}}, func(t *testing.T, b *bench) {
		r, err := http.NewRequest("GET", page1, nil)
		require.NoError(t, err)
		resp, err := b.rt.RoundTrip(r)
		require.NoError(t, err)
		_, _, err = b.do("POST", page1, nil)
		require.NoError(t, err)
		buf := make([]byte, 10)
		for err == nil {
			_, err = resp.Body.Read(buf)
		}
		_, body := b.get()
		require.Equal(t, "new", body)
	})
}

func TestClearForgetsAURL(t *testing.T) {
	inBubble(t, []answer{{header: fields{"cache-control": "max-age=1000"}}}, func(t *testing.T, b *bench) {
		b.get()
		require.NoError(t, b.c.Clear(t.Context(), page1+"#part"))
		b.get()
		require.Equal(t, 2, b.asked())
		require.Error(t, b.c.Clear(t.Context(), "::"))
	})
}

func TestInvalidationsThatAreRememberedAreBounded(t *testing.T) {
	c := New(NewMemory(1<<10), nil)
	before := c.now()
	c.invalidate(t.Context(), "first")
	for i := range 3 * maxSince {
		c.invalidate(t.Context(), strconv.Itoa(i))
	}
	require.LessOrEqual(t, len(c.since), maxSince)
	require.True(t, c.invalidated("first", before))
	require.False(t, c.invalidated("first", c.now()))

	before = c.now()
	c.invalidate(t.Context(), "another")
	require.False(t, c.invalidated("first", before), "the others are not affected")
}

// TestHead checks that HEAD is answered with a fresh response to GET, and otherwise updates or drops it (RFC 9111
// 4.3.5).
func TestHead(t *testing.T) {
	stale := answer{header: fields{"cache-control": "max-age=1", "etag": `"1"`, "x-a": "1"}, body: "hello"}
	for name, k := range map[string]struct {
		header fields
		asked  int
	}{
		"says the same":      {fields{"cache-control": "max-age=1000", "etag": `"1"`, "x-a": "2"}, 2},
		"says nothing of it": {fields{"cache-control": "max-age=1000", "x-a": "2"}, 2},
		"another ETag":       {fields{"cache-control": "max-age=1000", "etag": `"2"`}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{stale, {header: k.header}, {body: "new"}}, func(t *testing.T, b *bench) {
				b.get()
				resp, body, err := b.do("HEAD", page1, nil)
				require.NoError(t, err)
				require.Equal(t, 1, b.asked())
				require.Empty(t, body)
				require.EqualValues(t, 5, resp.ContentLength)
				time.Sleep(2 * time.Second)
				_, _, err = b.do("HEAD", page1, nil)
				require.NoError(t, err)
				resp, body = b.get()
				require.Equal(t, k.asked, b.asked())
				if k.asked == 2 {
					require.Equal(t, "hello", body)
					require.Equal(t, "2", resp.Header.Get("X-A"))
				}
			})
		})
	}
}

// TestStaleIfError covers RFC 5861 4.
func TestStaleIfError(t *testing.T) {
	down := answer{err: errors.New("down")}
	for name, k := range map[string]struct {
		says, asks string
		then       answer
		stale      bool
	}{
		"not allowed":     {says: "max-age=1", then: down},
		"allowed":         {says: "max-age=1, stale-if-error=100", then: down, stale: true},
		"503":             {says: "max-age=1, stale-if-error=100", then: answer{status: 503}, stale: true},
		"404":             {says: "max-age=1, stale-if-error=100", then: answer{status: 404}},
		"too old":         {says: "max-age=1, stale-if-error=5", then: down},
		"asked for":       {says: "max-age=1", asks: "stale-if-error=100", then: down, stale: true},
		"must-revalidate": {says: "max-age=1, stale-if-error=100, must-revalidate", then: down},
		"no-cache":        {says: "max-age=1, stale-if-error=100, no-cache", then: down},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []answer{{header: fields{"cache-control": k.says}, body: "old"}, k.then}, func(t *testing.T, b *bench) {
				b.get()
				time.Sleep(10 * time.Second)
				request := fields{}
				if k.asks != "" {
					request["cache-control"] = k.asks
				}
				_, body, err := b.do("GET", page1, request)
				require.Equal(t, 2, b.asked())
				if k.stale {
					require.NoError(t, err)
					require.Equal(t, "old", body)
				} else {
					require.True(t, err != nil || body != "old")
				}
			})
		})
	}
}

// TestOnlyWholeBodiesAreStored uses bodies that end early, are closed early, or are too long.
func TestOnlyWholeBodiesAreStored(t *testing.T) {
	fresh := fields{"cache-control": "max-age=1000"}
	long := strings.Repeat("x", 1001)
	for name, k := range map[string]struct {
		answer
		read   int // bytes to read; -1: all
		stored bool
	}{
		"read to its end":                 {answer{header: fresh, body: "hello"}, -1, true},
		"closed at its end":               {answer{header: fresh, body: "hello"}, 5, true},
		"closed early":                    {answer{header: fresh, body: "hello"}, 4, false},
		"closed, of unknown length":       {answer{header: fresh, body: "hello", length: -1}, 5, false},
		"of unknown length":               {answer{header: fresh, body: "hello", length: -1}, -1, true},
		"cut off":                         {answer{header: fresh, body: "hello", cut: errors.New("cut")}, -1, false},
		"cut off, of unknown length":      {answer{header: fresh, body: "hello", cut: errors.New("cut"), length: -1}, -1, false},
		"shorter than said":               {answer{header: fresh, body: "hello", length: 6}, -1, false},
		"as long as may be":               {answer{header: fresh, body: long[:1000]}, -1, true},
		"too long":                        {answer{header: fresh, body: long}, -1, false},
		"too long, of unknown length":     {answer{header: fresh, body: long, length: -1}, -1, false},
		"empty":                           {answer{header: fresh}, -1, true},
		"empty, and not asked to be read": {answer{header: fresh, status: 204}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, NewMemory(1<<20), &Config{MaxBody: 1000}, k.answer)
				r, err := http.NewRequest("GET", page1, nil)
				require.NoError(t, err)
				resp, err := b.rt.RoundTrip(r)
				require.NoError(t, err)
				buf := make([]byte, 3)
				for n, all := 0, k.read < 0; (n < k.read || all) && err == nil; {
					if !all {
						buf = buf[:min(3, k.read-n)]
					}
					var some int
					some, err = resp.Body.Read(buf)
					n += some
				}
				require.NoError(t, resp.Body.Close())
				_, _, _ = b.do("GET", page1, nil)
				want := 2
				if k.stored {
					want = 1
				}
				require.Equal(t, want, b.asked())
			})
		})
	}
}

// TestBodyIsPassedOnAsItComes uses a body that never ends.
func TestBodyIsPassedOnAsItComes(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		pr, pw := newPipe()
		rt := b.c.Middleware(roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Cache-Control": {"max-age=100"}}, Body: pr, ContentLength: -1}, nil
		}))
		r, err := http.NewRequest("GET", page1, nil)
		require.NoError(t, err)
		resp, err := rt.RoundTrip(r)
		require.NoError(t, err)
		one := make([]byte, 1)
		for _, letter := range "abc" {
			go func() { _, _ = pw.Write([]byte(string(letter))) }()
			_, err := resp.Body.Read(one)
			require.NoError(t, err)
			require.Equal(t, string(letter), string(one))
		}
		require.NoError(t, resp.Body.Close())
	})
}
