package httpc

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSetCookieThatIsOdd checks fields that violate the grammar, by the algorithms of RFC 6265 5. They are received
// from home.example.org/dir/page. Another request there follows, or to the URL in "to".
func TestSetCookieThatIsOdd(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, line := range r.URL.Query()["set"] {
			w.Header().Add("Set-Cookie", line)
		}
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	})
	_, port, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
	for name, k := range map[string]struct {
		set  []string
		to   string
		want string
	}{
		// attributes
		"a comma is of the value":        {set: []string{"a=1, b=2"}, want: "a=1, b=2"},
		"a comma in an attribute":        {set: []string{"a=1; x=2, b=3"}, want: "a=1"},
		"Max-Age with a comma":           {set: []string{"a=1; Max-Age=50,399"}, want: "a=1"},
		"Max-Age and the next cookie":    {set: []string{"a=1;Max-Age=3600, c=d;Path=/"}, want: "a=1"},
		"Secure with a value":            {set: []string{"a=1; Secure=no"}},
		"Secure in spaces":               {set: []string{"a=1;    seCURe    ; x"}},
		"Secure in quotes is another":    {set: []string{"a=1; \"Secure\""}, want: "a=1"},
		"Secure and a word is another":   {set: []string{"a=1; Secure x"}, want: "a=1"},
		"empty attributes":               {set: []string{"a=1;;; ; =; ,;"}, want: "a=1"},
		"nothing":                        {set: []string{"", "   ", "=", "; x"}},
		"only an equals sign before":     {set: []string{"=a=b", "===a=b"}},
		"Version":                        {set: []string{"$Version=1; a=1"}, want: "$Version=1"},
		"names of signs":                 {set: []string{"!a=1", "#a=2", "%a=3", "^a=4", "&a=5", "*a=6", "+=7", "_=8", "-=9"}, want: "!a=1; #a=2; %a=3; ^a=4; &a=5; *a=6; +=7; _=8; -=9"},
		"spaces in the value":            {set: []string{"a=1 2 ;"}, want: "a=1 2"},
		"equals signs before the value":  {set: []string{"a=== b"}, want: "a=== b"},
		"quotes are of the value":        {set: []string{`a="b"`}, want: `a="b"`},
		"quotes around an equals sign":   {set: []string{`a="b=c"`}, want: `a="b=c"`},
		"quotes around spaces":           {set: []string{`a="  b "`}, want: `a="  b "`},
		"quotes around a comma":          {set: []string{`a="b, c=d"`}, want: `a="b, c=d"`},
		"quotes do not hold it together": {set: []string{`a="b;c"`}, want: `a="b`},
		"one quote":                      {set: []string{`a="b ;`, `b=c"d`, `c="`, `d=""`}, want: `a="b; b=c"d; c="; d=""`},
		"several quotes":                 {set: []string{`a="b "   "c"  ;`}, want: `a="b "   "c"`},
		"a backslash":                    {set: []string{`a=b\c`, `b="\""`}, want: `a=b\c; b="\""`},
		"JSON":                           {set: []string{`a={"b":[1,2],"c":"d e"}`}, want: `a={"b":[1,2],"c":"d e"}`},
		"another alphabet":               {set: []string{"a=\u6625\u8282; Path=/", "\u6625=\u8282"}, want: "\u6625=\u8282; a=\u6625\u8282"},
		"a tab in the value":             {set: []string{"a=b\tc"}, want: "a=b\tc"},
		"names of separators":            {set: []string{"@a=1", "(a=2", ")a=3", "a b=4", `"a=5`, "[]=6", "a/b=7", "a:b=8", "{}=9"}, want: `@a=1; (a=2; )a=3; a b=4; "a=5; []=6; a/b=7; a:b=8; {}=9`},
		"a quote begins the name":        {set: []string{`"a=b"=c`, `"a=d`}, want: `"a=d`},
		"quotes in the name":             {set: []string{`"a;b"=c`, `"a\"b"`}},
		"an odd value is replaced":       {set: []string{`a={"b":1}`, "a=c"}, want: "a=c"},
		"an odd value is deleted":        {set: []string{`a={"b":1}`, `a="; Max-Age=0`}},
		"the last Path counts":           {set: []string{"a=1; Path=/x; Path=/"}, want: "a=1"},
		"the last Path, elsewhere":       {set: []string{"a=1; Path=/; Path=/x"}},
		"the last Path is empty":         {set: []string{"a=1; Path=/x; Path="}, want: "a=1"},
		"Path in spaces":                 {set: []string{"a=1;  Path  =   /dir   "}, want: "a=1"},
		"Path has a case":                {set: []string{"a=1; Path=/DIR"}},
		"Path is not unescaped":          {set: []string{"a=1; Path=/d%69r"}},
		"Path with a question mark":      {set: []string{"a=1; Path=/dir/page?"}},
		"Path with two slashes":          {set: []string{"a=1; Path=/dir/"}, to: "home.example.org/dir//x", want: "a=1"},
		"the longer path, with a slash":  {set: []string{"a=1; Path=/dir", "a=2; Path=/dir/"}, want: "a=2; a=1"},
		"deleted beside a new one":       {set: []string{"a=1; Max-Age=60", "b=2; Max-Age=60", "a=x; Max-Age=0", "c=x; Max-Age=0"}, want: "b=2"},

		// Domain
		"Domain of a sibling":             {set: []string{"a=1; Domain=sibling.example.org"}, to: "sibling.example.org/dir/x"},
		"Domain with two dots":            {set: []string{"a=1; Domain=..home.example.org"}},
		"Domain with dots within":         {set: []string{"a=1; Domain=home..example.org"}},
		"Domain with a dot at its end":    {set: []string{"a=1; Domain=home.example.org."}},
		"Domain with a space":             {set: []string{"a=1; Domain= . home.example.org"}},
		"Domain behind spaces":            {set: []string{"a=1; Domain=   .home.example.org"}, want: "a=1"},
		"Domain with a port":              {set: []string{"a=1; Domain=home.example.org:80"}},
		"Domain is a public suffix":       {set: []string{"a=1; Domain=.org"}},
		"Domain is a public suffix, dots": {set: []string{"a=1; Domain=.org."}},
		"the last Domain counts":          {set: []string{"a=1; Domain=home.example.org; Domain=.example.org"}, to: "sibling.example.org/dir/x", want: "a=1"},
		"the last Domain is another":      {set: []string{"a=1; Domain=home.example.org; Domain=home.example.com"}},
		"the first Domain is another":     {set: []string{"a=1; Domain=home.example.com; Domain=home.example.org"}, want: "a=1"},
		"the last Domain is empty":        {set: []string{"a=1; Domain=example.org; Domain="}, want: "a=1"},
		"a host in capitals":              {set: []string{"a=1; Domain=home.example.org"}, to: "hoMe.eXaMple.org/dir/x", want: "a=1"},
		"both kinds of domain":            {set: []string{"a=1; Domain=.example.org", "b=2; Domain=home.example.org"}, want: "a=1; b=2"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, &Config{Jar: NewJar(), Dial: dialLoopback})
			at := func(where string) string {
				host, path, _ := strings.Cut(where, "/")
				return "http://" + host + ":" + port + "/" + path
			}
			const home = "home.example.org/dir/page"
			text(t, c, at(home)+"?"+url.Values{"set": k.set}.Encode())
			if k.to == "" {
				k.to = home
			}
			_, got := text(t, c, at(k.to))
			require.Equal(t, k.want, got)
		})
	}
}

// TestOddCookiesAreShown checks the results of Response.Cookies.
func TestOddCookiesAreShown(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{`a={"b":1}; Path=/; HttpOnly`, "none", `b="c d"; Expires=Mon, 10-Dec-69 20:35:03 GMT`}
	})
	resp, err := newClient(t, nil).Get(t.Context(), base)
	require.NoError(t, err)
	cookies := resp.Cookies()
	require.NoError(t, resp.Close())
	require.Len(t, cookies, 2)
	require.Equal(t, `{"b":1}`, cookies[0].Value)
	require.True(t, cookies[0].HttpOnly)
	require.Equal(t, "/", cookies[0].Path)
	require.Equal(t, "c d", cookies[1].Value)
	require.True(t, cookies[1].Quoted)
	require.Equal(t, 2069, cookies[1].Expires.Year())
}

// TestJarWithWhatIsNoCookieIsAnError uses a jar with cookies that a server would misread. Nothing is sent.
func TestJarWithWhatIsNoCookieIsAnError(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Cookie")) })
	u, err := url.Parse(base)
	require.NoError(t, err)
	for _, bad := range []*http.Cookie{
		{Name: "a", Value: "b; c=d"}, {Name: "a", Value: "b\r\nX: y"}, {Name: "a=b", Value: "c"}, {Name: "a;b", Value: "c"}, {Name: "a", Value: "b\x00"},
	} {
		jar := NewJar()
		jar.SetCookies(u, []*http.Cookie{bad})
		_, err := newClient(t, &Config{Jar: jar}).Get(t.Context(), base)
		require.Error(t, err, "%q", bad)
		require.ErrorContains(t, err, "invalid cookie")
	}
}

// TestDatesOfCookies checks the algorithm of RFC 6265 5.1.1, which accepts nearly any date.
func TestDatesOfCookies(t *testing.T) {
	for text, want := range map[string]string{
		"Mon, 10-Dec-2007 17:02:24 GMT":           "2007-12-10 17:02:24",
		"Wed, 09 Dec 2009 16:27:23 GMT":           "2009-12-09 16:27:23",
		"Thursday, 01-Jan-1970 00:00:00 GMT":      "1970-01-01 00:00:00",
		"Mon Dec 10 16:32:30 2007 GMT":            "2007-12-10 16:32:30",
		"Wednesday, 01-Jan-10 00:00:00 GMT":       "2010-01-01 00:00:00",
		"Mon, 10-Dec-69 20:35:03 GMT":             "2069-12-10 20:35:03",
		"Mon, 10-Dec-70 20:35:03 GMT":             "1970-12-10 20:35:03",
		"Saturday, 8-Dec-2012 21:24:09 GMT":       "2012-12-08 21:24:09",
		"Thu, 31 Dec 23:55:55 2037 GMT":           "2037-12-31 23:55:55",
		"Wed Dec 12 2007 08:44:07 GMT-0500 (EST)": "2007-12-12 08:44:07",
		"Wednesday, 01-Jan-10 0:0:00 GMT":         "2010-01-01 00:00:00",
		"Thu, 10 Dec 2009 13:57:2 GMT":            "2009-12-10 13:57:02",
		"Thu, 19/Apr\\2007 16:00:00 GMT":          "2007-04-19 16:00:00",
		", 1-Jan-2003 00:00:00 GMT":               "2003-01-01 00:00:00",
		"1-Jan-2003 00:00:00":                     "2003-01-01 00:00:00",
		"Someday  ,  18-apr-07   22:50:12":        "2007-04-18 22:50:12",
		`"Sat, 15-Apr-17"21:01:22"GMT"`:           "2017-04-15 21:01:22",
		"Someday, 18 - Apri-07 22:50:12":          "2007-04-18 22:50:12",
		"Sat, 15-Apr-17 21:01:22 11:22:33":        "2017-04-15 21:01:22",
		"Sat, 15-Apr-17 ::00 21:01:22":            "2017-04-15 21:01:22",
		"22:50:12 Thu Apr 18 2007 GMT":            "2007-04-18 22:50:12",
		"15-Sat, Apr 21:01:22 GMT 2017":           "2017-04-15 21:01:22",
		"15 17 Apr 21:01:22":                      "2017-04-15 21:01:22",
		"2017 April 15 21:01:22":                  "2017-04-15 21:01:22",
		"Sat, 15-Apr-17 91:22:33 21:01:22":        "",
		"98 April 17 21:01:22":                    "",
		"Thu, 012-Aug-2008 20:49:07 GMT":          "",
		"Thu, 12-Aug-31841 20:49:07 GMT":          "",
		"Thu, 999999999999-Aug-2007 20:49:07 GMT": "",
		"Thu, 12-Aug-2007 20:61:99999999999 GMT":  "",
		"Thu, 12-Aug-1600 20:49:07 GMT":           "",
		"Thu, 31-Feb-2007 20:49:07 GMT":           "",
		"Thu, 12-Aug-2007 24:00:00 GMT":           "",
		"Thu, 12-Aug-2007 GMT":                    "",
		"never":                                   "",
		"":                                        "",
	} {
		t.Run(text, func(t *testing.T) {
			got, ok := cookieDate(text)
			require.Equal(t, want != "", ok)
			if ok {
				require.Equal(t, want, got.Format(time.DateTime))
			}
		})
	}
}

// TestJarReadsOddDates deletes cookies, or keeps them for long, by dates that only RFC 6265 5.1.1 accepts, with Do and
// with an http.Client.
func TestJarReadsOddDates(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, line := range r.URL.Query()["set"] {
			w.Header().Add("Set-Cookie", line)
		}
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	})
	for name, k := range map[string]struct {
		set  []string
		want string
	}{
		"over, two digits":  {[]string{"a=1", "a=1; Expires=Mon, 10-Dec-07 20:35:03 GMT"}, ""},
		"over, asctime":     {[]string{"a=1", "a=1; Expires=Thu Apr 18 22:50:12 2007"}, ""},
		"to come":           {[]string{"a=1", "a=2; Expires=Tue, 10-Dec-69 20:35:03 GMT"}, "a=2"},
		"Max-Age is before": {[]string{"a=1; Max-Age=100; Expires=Mon, 10-Dec-07 20:35:03 GMT"}, "a=1"},
	} {
		t.Run(name, func(t *testing.T) {
			to := base + "/?" + url.Values{"set": k.set}.Encode()
			c := newClient(t, &Config{Jar: NewJar()})
			text(t, c, to)
			_, got := text(t, c, base)
			require.Equal(t, k.want, got)

			c = newClient(t, &Config{Jar: NewJar()})
			for i, want := range []string{"", k.want} {
				resp, err := c.HTTP().Get([]string{to, base}[i])
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, want, string(body))
			}
		})
	}
}
