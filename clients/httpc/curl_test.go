package httpc

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// curlArguments returns what a shell passes to curl for a command of Curl.
func curlArguments(t *testing.T, command string) []string {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no POSIX shell")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "curl"), []byte("#!"+shell+"\nprintf '%s\\0' \"$@\"\n"), 0o700))
	cmd := exec.Command(shell, "-c", command)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// TestCurlCommandsMeanWhatTheRequestMeans checks the arguments that curl gets, where it has rules of its own.
func TestCurlCommandsMeanWhatTheRequestMeans(t *testing.T) {
	c := newClient(t, &Config{ShowSecrets: true})
	const odd = "it's \"$HOME\" `id` \\ *?\n!~#&;|<>()"
	const plain = "Content-Type: text/plain; charset=utf-8"
	for name, k := range map[string]struct {
		r    Request
		want []string
	}{
		"GET":               {Request{}, []string{"http://a/"}},
		"HEAD":              {Request{Method: "HEAD"}, []string{"--head", "http://a/"}},
		"a GET with a body": {Request{Method: "GET", Body: Text("x")}, []string{"-X", "GET", "-H", plain, "--data-binary", "x", "http://a/"}},
		"an odd body":       {Request{Body: Text(odd)}, []string{"-X", "POST", "-H", plain, "--data-binary", odd, "http://a/"}},
		"a body like the name of a file": {
			Request{Body: Text("@/etc/passwd")}, []string{"-X", "POST", "-H", plain, "--data-raw", "@/etc/passwd", "http://a/"},
		},
		"fields": {
			Request{Header: http.Header{"X-Empty": {""}, "X-Odd": {"it's $HOME"}}, Host: "b", Cookies: []*http.Cookie{{Name: "c", Value: "d"}}},
			[]string{"-H", "Cookie: c=d", "-H", "X-Empty;", "-H", "X-Odd: it's $HOME", "-H", "Host: b", "http://a/"},
		},
		"fields that Do ignores": {
			Request{Header: http.Header{"Host": {"b"}, "Content-Length": {"9"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"x"}}},
			[]string{"http://a/"},
		},
		"no body of a POST":   {Request{Method: "POST"}, []string{"-X", "POST", "-H", "Content-Type:", "--data-binary", "", "http://a/"}},
		"a URL with patterns": {Request{URL: "http://a/?x[]={1,2}&y=[1-3]"}, []string{"--globoff", "http://a/?x[]={1,2}&y=[1-3]"}},
		"a URL with dots":     {Request{URL: "http://a/b/../c"}, []string{"--path-as-is", "http://a/b/../c"}},
		"a Unix socket":       {Request{URL: "http+unix:/run/it's.sock:/x?y"}, []string{"--unix-socket", "/run/it's.sock", "http://localhost/x?y"}},
	} {
		if k.r.URL == "" {
			k.r.URL = "http://a/"
		}
		command, err := c.Curl(&k.r)
		require.NoError(t, err, name)
		require.Equal(t, k.want, curlArguments(t, command), name)
	}
	for name, r := range map[string]*Request{
		"a zero byte":  {Body: Bytes([]byte("a\x00b"))},
		"a long body":  {Body: Bytes(make([]byte, maxCurlBody+1))},
		"a field name": {Header: http.Header{"@/etc/passwd": {"x"}}},
		"a value":      {Header: http.Header{"A": {"b\r\nc"}}},
		"a Host":       {Host: "a\r\nb: c"},
		"a cookie":     {Cookies: []*http.Cookie{{Name: "a;b"}}},
	} {
		r.URL = "http://a/"
		_, err := c.Curl(r)
		require.Error(t, err, name)
	}
}

// TestCurlLeavesABodyForDo uses bodies that can be read once.
func TestCurlLeavesABodyForDo(t *testing.T) {
	base := serve(t, echo)
	c := newClient(t, nil)
	for name, body := range map[string]Body{
		"a Reader": Reader(recordClose(readerOf("once")), -1),
		"a Source": Stream(chanio.FromSlice([][]byte{[]byte("once")})),
		"parts":    Multipart(Part{Name: "a", Body: Reader(readerOf("once"), -1)}),
	} {
		r := &Request{URL: base, Body: body}
		command, err := c.Curl(r)
		require.NoError(t, err, name)
		require.Contains(t, command, "curl -X POST -H 'Content-Type: ", name)
		require.NotContains(t, command, "--data", name)
		resp, err := c.Do(t.Context(), r)
		require.NoError(t, err, name)
		got, err := resp.Text(t.Context())
		require.NoError(t, err, name)
		require.Contains(t, got, "once", name)
	}
}

// TestCurlSendsWhatTheClientSends compares the requests of both.
func TestCurlSendsWhatTheClientSends(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	seen := make(chan string, 10)
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.Header.Get("X-A"), r.Header.Get("Cookie"), string(body),
			r.UserAgent(), r.Header.Get("Content-Length")}, "|")
	})
	c := newClient(t, &Config{ShowSecrets: true, UserAgent: "it's"})
	for _, r := range []*Request{
		{Method: "POST", URL: base}, {Method: "PUT", URL: base, Body: Text("")}, {URL: base, Header: http.Header{"User-Agent": {"own"}}},
		{URL: base + "/a?b[]=c"}, {Method: "HEAD", URL: base}, {Method: "GET", URL: base, Body: Text("x")}, {URL: base + "/a/../b", Body: Text("@x\n")},
		{URL: base, Body: Text("x").As("")},
		{Method: "PUT", URL: base, Body: JSON("it's"), Header: http.Header{"X-A": {"b  c"}}, Cookies: []*http.Cookie{{Name: "d", Value: "e"}}},
	} {
		resp, err := c.Do(t.Context(), r)
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		command, err := c.Curl(r)
		require.NoError(t, err)
		out, err := exec.Command("sh", "-c", command+" --silent --noproxy '*' --max-time 20").CombinedOutput()
		require.NoError(t, err, "%s\n%s", command, out)
		require.Equal(t, <-seen, <-seen, command)
	}
}

func TestCurlCommandHasTheUserAgentOfTheConfig(t *testing.T) {
	for agent, want := range map[string][]string{
		"":     {"http://a/"},
		"-":    {"-H", "User-Agent:", "http://a/"},
		"it's": {"-H", "User-Agent: it's", "http://a/"},
	} {
		command, err := newClient(t, &Config{UserAgent: agent}).Curl(&Request{URL: "http://a/"})
		require.NoError(t, err)
		require.Equal(t, want, curlArguments(t, command), agent)
	}
}

func TestCurlCommandOfABrokenBodyIsAnError(t *testing.T) {
	c := newClient(t, nil)
	for _, body := range []Body{File("/does/not/exist"), Multipart(Field("", "no name"))} {
		_, err := c.Curl(&Request{URL: "http://a", Body: body})
		require.Error(t, err)
	}
}
