package cache

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// step is a request after a pause, and its expected result.
type step struct {
	after  time.Duration
	method string // GET if it is ""
	url    string // page1 if it is ""
	asks   fields
	asked  bool   // whether the server is asked
	body   string // body of the answer; "-" means any
	sent   fields // fields that the server receives
	has    fields // fields of the answer; "" for none
	status int
}

// TestFactsOfTheSuite covers the requirements that the public test suite for HTTP caches checks, by its categories, if
// they apply to a private cache and the other tests do not cover them: the answers of the server, and the requests to
// the cache.
func TestFactsOfTheSuite(t *testing.T) {
	again := step{body: "1"}
	asked := step{asked: true, body: "2"}
	fresh := fields{"cache-control": "max-age=1000"}
	with := func(more fields) fields {
		h := fields{"cache-control": "max-age=1000"}
		for name, v := range more {
			h[name] = v
		}
		return h
	}
	stale := func(more fields) fields {
		h := with(more)
		h["cache-control"] = "max-age=1"
		return h
	}
	after := func(d time.Duration, s step) step {
		s.after = d
		return s
	}
	for name, k := range map[string]struct {
		first   answer // its body is "1"
		then    []answer
		initial fields // of the first request
		steps   []step
	}{
		// Unreadable or odd Age and Date
		"age: with a parameter":               {first: answer{header: with(fields{"age": "7200;foo=bar"})}, steps: []step{again}},
		"age: with a prefix":                  {first: answer{header: with(fields{"age": "a7200"})}, steps: []step{again}},
		"age: with a suffix":                  {first: answer{header: with(fields{"age": "7200a"})}, steps: []step{again}},
		"age: empty":                          {first: answer{header: with(fields{"age": ""})}, steps: []step{again}},
		"age: in two lines, the second old":   {first: answer{header: with(fields{"age": "0|7200"})}, steps: []step{again}},
		"age: larger than any number":         {first: answer{header: with(fields{"age": strings.Repeat("9", 100)})}, steps: []step{asked}},
		"age: is sent on, and grows":          {first: answer{header: with(fields{"age": "100"})}, steps: []step{after(5*time.Second, step{body: "1", has: fields{"age": "105"}})}},
		"age: of a Date in the past":          {first: answer{header: with(fields{"date": "ago 100s"})}, steps: []step{{body: "1", has: fields{"age": "100"}}}},
		"age: of a Date of the year 1":        {first: answer{header: with(fields{"date": "Mon, 01 Jan 0001 00:00:00 GMT"})}, steps: []step{asked}},
		"age: of a Date before 1734":          {first: answer{header: with(fields{"date": "Fri, 01 Jan 1700 00:00:00 GMT"})}, steps: []step{after(time.Hour, asked)}},
		"age: of a Date in the future":        {first: answer{header: with(fields{"date": "in 1h"})}, steps: []step{after(999*time.Second, again), after(time.Second, asked)}},
		"age: of a Date that is malformed":    {first: answer{header: with(fields{"date": "yesterday"})}, steps: []step{after(999*time.Second, again), after(time.Second, asked)}},
		"age: of a Date that is malformed, 2": {first: answer{header: fields{"date": "0", "expires": "in 1h"}}, steps: []step{again}},

		// Expires
		"expires: far in the future":               {first: answer{header: fields{"expires": "Thu, 21 Nov 9999 04:46:39 GMT"}}, steps: []step{after(999*time.Hour, again)}},
		"expires: beyond 32 bits":                  {first: answer{header: fields{"expires": "Tue, 19 Jan 2038 14:14:08 GMT"}}, steps: []step{again}},
		"expires: on another day of the week":      {first: answer{header: fields{"expires": "Mon, 18 Aug 2050 02:01:18 GMT"}}, steps: []step{again}},
		"expires: with an hour of one digit":       {first: answer{header: fields{"expires": "Thu, 18 Aug 2050 2:01:18 GMT"}}, steps: []step{again}},
		"expires: without a comma":                 {first: answer{header: fields{"expires": "Thu 18 Aug 2050 02:01:18 GMT"}}, steps: []step{asked}},
		"expires: with dots":                       {first: answer{header: fields{"expires": "Thu, 18 Aug 2050 02.01.18 GMT"}}, steps: []step{asked}},
		"expires: a zone as a number":              {first: answer{header: fields{"expires": "Thu, 18 Aug 2050 02:01:18 +0000"}}, steps: []step{asked}},
		"expires: empty":                           {first: answer{header: fields{"expires": "", "last-modified": "ago 999h"}}, steps: []step{asked}},
		"expires: of the same second":              {first: answer{header: fields{"expires": "now"}}, steps: []step{asked}},
		"expires: two, the first counts":           {first: answer{header: fields{"expires": "ago 1h|in 1h"}}, steps: []step{asked}},
		"expires: beside max-age that is not read": {first: answer{header: fields{"cache-control": "max-age=x", "expires": "in 1h"}}, steps: []step{asked}},

		// Cache-Control of responses
		"cc: unknown directives":              {first: answer{header: fields{"cache-control": `a, b=1, c="d,e", max-age=1000`}}, steps: []step{again}},
		"cc: no-cache with a validator":       {first: answer{header: fields{"cache-control": "max-age=1000, no-cache", "etag": `"a"`}}, then: []answer{{status: 304}, {status: 304}}, steps: []step{{asked: true, body: "1", sent: fields{"if-none-match": `"a"`}}, {asked: true, body: "1"}}},
		"cc: no-cache of a field omits it":    {first: answer{header: with(fields{"cache-control": `max-age=1000, no-cache="x-a"`, "x-a": "1", "x-b": "2"})}, steps: []step{{body: "1", has: fields{"x-a": "", "x-b": "2"}}}},
		"cc: a semicolon is no comma":         {first: answer{header: fields{"cache-control": "max-age=1000; no-store"}}, steps: []step{asked}},
		"cc: proxy-revalidate is for others":  {first: answer{header: fields{"cache-control": "max-age=1, stale-if-error=1000, proxy-revalidate"}}, then: []answer{{status: 503}}, steps: []step{after(time.Minute, step{asked: true, body: "1"})}},
		"cc: Pragma of a response is nothing": {first: answer{header: with(fields{"pragma": "no-cache"})}, steps: []step{again}},
		"cc: CDN-Cache-Control is for others": {first: answer{header: with(fields{"cdn-cache-control": "no-store", "surrogate-control": "no-store"})}, steps: []step{again}},
		"cc: immutable, still old":            {first: answer{header: fields{"cache-control": "max-age=1, immutable"}}, steps: []step{after(time.Minute, asked)}},
		"cc: private with fields":             {first: answer{header: with(fields{"cache-control": `max-age=1000, private="x-a"`, "x-a": "1"})}, steps: []step{{body: "1", has: fields{"x-a": "1"}}}},

		// Cache-Control of requests
		"asks: max-age that is not read":    {first: answer{header: fresh}, steps: []step{after(time.Second, step{asks: fields{"cache-control": "max-age=x"}, asked: true, body: "2"})}},
		"asks: max-stale that is not read":  {first: answer{header: fields{"cache-control": "max-age=1"}}, steps: []step{after(time.Minute, step{asks: fields{"cache-control": "max-stale=x"}, asked: true, body: "2"})}},
		"asks: max-age, old by its Age":     {first: answer{header: with(fields{"age": "500"})}, steps: []step{{asks: fields{"cache-control": "max-age=499"}, asked: true, body: "2"}}},
		"asks: min-fresh, old by its Age":   {first: answer{header: with(fields{"age": "500"})}, steps: []step{{asks: fields{"cache-control": "min-fresh=501"}, asked: true, body: "2"}}},
		"asks: what was asked is stored":    {first: answer{header: fresh}, steps: []step{{asks: fields{"cache-control": "no-cache"}, asked: true, body: "2"}, {body: "2"}}, then: []answer{{header: fresh, body: "2"}}},
		"asks: no-store stores nothing":     {first: answer{header: fresh}, initial: fields{"cache-control": "no-store"}, steps: []step{asked}},
		"asks: only-if-cached, stale":       {first: answer{header: fields{"cache-control": "max-age=1"}}, steps: []step{after(time.Minute, step{asks: fields{"cache-control": "only-if-cached"}, status: 504})}},
		"asks: only-if-cached, stale is ok": {first: answer{header: fields{"cache-control": "max-age=1"}}, steps: []step{after(time.Minute, step{asks: fields{"cache-control": "only-if-cached, max-stale"}, body: "1"})}},

		// Responses without an explicit lifetime
		"heuristic: Last-Modified in the future": {first: answer{header: fields{"last-modified": "in 1h"}}, steps: []step{asked}},
		"heuristic: Last-Modified of the year 1": {first: answer{header: fields{"last-modified": "Mon, 01 Jan 0001 00:00:00 GMT"}}, steps: []step{after(23*time.Hour, again), after(2*time.Hour, asked)}},
		"heuristic: malformed Last-Modified":     {first: answer{header: fields{"last-modified": "x"}}, steps: []step{asked}},
		"heuristic: public, but unchanged":       {first: answer{status: 599, header: fields{"cache-control": "public", "last-modified": "ago 999h"}}, steps: []step{{body: "1", status: 599}}},
		"heuristic: of 203":                      {first: answer{status: 203, header: fields{"last-modified": "ago 999h"}}, steps: []step{{body: "1", status: 203}}},
		"heuristic: of 301":                      {first: answer{status: 301, header: fields{"last-modified": "ago 999h"}}, steps: []step{{body: "1", status: 301}}},
		"heuristic: not of 302":                  {first: answer{status: 302, header: fields{"last-modified": "ago 999h"}}, steps: []step{asked}},
		"heuristic: of 410":                      {first: answer{status: 410, header: fields{"last-modified": "ago 999h"}}, steps: []step{{body: "1", status: 410}}},
		"heuristic: not of 500":                  {first: answer{status: 500, header: fields{"last-modified": "ago 999h"}}, steps: []step{asked}},
		"heuristic: of 501":                      {first: answer{status: 501, header: fields{"last-modified": "ago 999h"}}, steps: []step{{body: "1", status: 501}}},

		// What a 304 changes
		"304: no validator, none is sent": {first: answer{header: stale(nil)}, steps: []step{after(time.Minute, step{asked: true, body: "2", sent: fields{"if-none-match": "", "if-modified-since": ""}})}},
		"304: both validators are sent": {first: answer{header: stale(fields{"etag": `"a"`, "last-modified": "Fri, 01 Jan 1999 00:00:00 GMT"})}, then: []answer{{status: 304}},
			steps: []step{after(time.Minute, step{asked: true, body: "1", sent: fields{"if-none-match": `"a"`, "if-modified-since": "Fri, 01 Jan 1999 00:00:00 GMT"}})}},
		"304: conditions of the caller are not sent": {first: answer{header: stale(fields{"last-modified": "Fri, 01 Jan 1999 00:00:00 GMT"})}, then: []answer{{status: 304}},
			steps: []step{after(time.Minute, step{asks: fields{"if-none-match": `"b"`}, asked: true, body: "1", sent: fields{"if-none-match": ""}})}},
		"304: conditions of the caller are not sent, 2": {first: answer{header: stale(fields{"etag": `"a"`})}, then: []answer{{status: 304}},
			steps: []step{after(time.Minute, step{asks: fields{"if-modified-since": "Fri, 01 Jan 1999 00:00:00 GMT"}, asked: true, body: "1", sent: fields{"if-modified-since": ""}})}},
		"304: Expires and Age are replaced": {first: answer{header: fields{"expires": "ago 1h", "age": "5000", "etag": `"a"`}}, then: []answer{{status: 304, header: fields{"expires": "in 1h"}}},
			steps: []step{{asked: true, body: "1", has: fields{"age": "0"}}, after(time.Minute, step{body: "1", has: fields{"age": "60"}})}},
		"304: no-store ends what is stored": {first: answer{header: stale(fields{"etag": `"a"`})}, then: []answer{{status: 304, header: fields{"cache-control": "no-store, max-age=1000"}}, {body: "3"}},
			steps: []step{after(time.Minute, step{asked: true, body: "1"}), {asked: true, body: "3", sent: fields{"if-none-match": ""}}}},
		"304: says that it varies": {first: answer{header: stale(fields{"etag": `"a"`})}, initial: fields{"x": "1"}, then: []answer{{status: 304, header: with(fields{"vary": "x"})}, {body: "3"}},
			steps: []step{after(time.Minute, step{asks: fields{"x": "1"}, asked: true, body: "1"}), {asks: fields{"x": "1"}, body: "1"}, {asks: fields{"x": "2"}, asked: true, body: "3"}}},
		"304: says that it varies by less": {first: answer{header: stale(fields{"etag": `"a"`, "vary": "x, y"})}, initial: fields{"x": "1", "y": "1"}, then: []answer{{status: 304, header: with(fields{"vary": "y"})}, {body: "3"}},
			steps: []step{after(time.Minute, step{asks: fields{"x": "1", "y": "1"}, asked: true, body: "1"}), {asks: fields{"x": "1", "y": "1"}, body: "1"}, {asks: fields{"x": "2", "y": "1"}, asked: true, body: "3"}}},
		"304: says that it varies by everything": {first: answer{header: stale(fields{"etag": `"a"`})}, then: []answer{{status: 304, header: with(fields{"vary": "*"})}, {body: "3"}},
			steps: []step{after(time.Minute, step{asked: true, body: "1"}), {asked: true, body: "3"}}},
		"HEAD: no-store ends what is stored": {first: answer{header: stale(nil)}, then: []answer{{header: fields{"cache-control": "no-store, max-age=1000"}}, {body: "3"}},
			steps: []step{after(time.Minute, step{method: "HEAD", asked: true, body: ""}), {asked: true, body: "3"}}},
		"HEAD: what the cache did is not stored": {first: answer{header: stale(nil)}, then: []answer{{header: fresh}},
			steps: []step{after(time.Minute, step{method: "HEAD", asked: true, body: ""}), {body: "1", has: fields{"cache-status": hit}}}},

		// Vary
		"vary: empty elements":         {first: answer{header: with(fields{"vary": ", x,, ,"})}, initial: fields{"x": "1"}, steps: []step{{asks: fields{"x": "1"}, body: "1"}, {asks: fields{"x": "2"}, asked: true, body: "2"}}},
		"vary: star among others":      {first: answer{header: with(fields{"vary": "x, *"})}, steps: []step{asked}},
		"vary: the order of lines":     {first: answer{header: with(fields{"vary": "x"})}, initial: fields{"x": "1|2"}, steps: []step{{asks: fields{"x": "2|1"}, asked: true, body: "2"}}},
		"vary: the latest that varies": {first: answer{header: fresh}, then: []answer{{header: with(fields{"vary": "x"}), body: "2"}}, steps: []step{{asks: fields{"x": "1", "cache-control": "no-cache"}, asked: true, body: "2"}, {asks: fields{"x": "1"}, body: "2"}}},

		// Invalidation
		"invalidation: Location with the port of the scheme": {first: answer{header: fresh}, then: []answer{{status: 201, header: fields{"location": "http://A.example:80/page"}}, {body: "3"}},
			steps: []step{{method: "POST", url: "http://a.example/other", asked: true, body: ""}, {asked: true, body: "3"}}},
		"invalidation: asked for with that port": {first: answer{header: fresh}, then: []answer{{status: 201, header: fields{"location": "/page"}}, {body: "3"}},
			steps: []step{{method: "POST", url: "http://a.example:80/other", asked: true, body: ""}, {asked: true, body: "3"}}},
		"invalidation: Location of another port": {first: answer{header: fresh}, then: []answer{{status: 201, header: fields{"location": "http://a.example:81/page"}}},
			steps: []step{{method: "POST", url: "http://a.example/other", asked: true, body: ""}, again}},
		"invalidation: a PATCH that succeeds": {first: answer{header: fresh}, then: []answer{{status: 204}, {body: "3"}}, steps: []step{{method: "PATCH", asked: true, body: ""}, {asked: true, body: "3"}}},
		"invalidation: TRACE does nothing":    {first: answer{header: fresh}, then: []answer{{}}, steps: []step{{method: "TRACE", asked: true, body: ""}, again}},

		// Others
		"other: the query is part of the URL":       {first: answer{header: fresh}, steps: []step{{url: page1 + "?a", asked: true, body: "2"}}},
		"other: the fragment is not":                {first: answer{header: fresh}, steps: []step{{url: page1 + "#a", body: "1"}}},
		"other: Content-Disposition":                {first: answer{header: with(fields{"content-disposition": "attachment"})}, steps: []step{again}},
		"other: a Date is made where there is none": {first: answer{header: with(fields{"date": ""})}, steps: []step{{body: "1", has: fields{"date": "now"}}}},
		"other: fields of the connection":           {first: answer{header: with(fields{"connection": "a, X-B", "a": "1", "x-b": "2", "c": "3", "upgrade": "x"})}, steps: []step{{body: "1", has: fields{"a": "", "x-b": "", "c": "3", "connection": "", "upgrade": ""}}}},
	} {
		t.Run(name, func(t *testing.T) {
			k.first.body = "1"
			answers := append([]answer{k.first}, k.then...)
			if k.then == nil {
				answers = append(answers, answer{body: "2"})
			}
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, NewMemory(1<<20), nil, answers...)
				_, _, err := b.do("GET", page1, k.initial)
				require.NoError(t, err)
				for _, s := range k.steps {
					s.requireOn(t, b)
				}
			})
		})
	}
}

func (s *step) requireOn(t *testing.T, b *bench) {
	t.Helper()
	time.Sleep(s.after)
	method, url := s.method, s.url
	if method == "" {
		method = "GET"
	}
	if url == "" {
		url = page1
	}
	before := b.asked()
	resp, body, err := b.do(method, url, s.asks)
	require.NoError(t, err)
	require.Equal(t, s.asked, b.asked() > before, "the server is asked")
	require.Equal(t, s.body, body)
	if s.status != 0 {
		require.Equal(t, s.status, resp.StatusCode)
	}
	for name, v := range s.has {
		require.Equal(t, at(v), strings.Join(resp.Header.Values(name), ", "), name)
	}
	for name, v := range s.sent {
		require.Equal(t, v, b.seen[len(b.seen)-1].Header.Get(name), name)
	}
}

// TestNegativeLimitsStoreLittle checks that negative limits do not fail.
func TestNegativeLimitsStoreLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, NewMemory(1<<20), &Config{MaxVariants: -1}, answer{header: fields{"cache-control": "max-age=100", "vary": "x"}, body: "a"})
		for _, x := range []string{"1", "2", "2"} {
			b.get("x", x)
		}
		require.Equal(t, 2, b.asked(), "one is stored, the latest")
		b = newBench(t, NewMemory(1<<20), &Config{MaxBody: -1}, answer{header: fields{"cache-control": "max-age=100"}, body: "a"})
		b.get()
		b.get()
		require.Equal(t, 2, b.asked())
	})
}
