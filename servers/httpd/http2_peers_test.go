package httpd

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/servers"
)

// program runs a program of a Debian package and returns its output. If there is none, it skips the test, or fails it
// with WEIR_REQUIRE=1.
func program(t *testing.T, pkg, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("WEIR_REQUIRE") == "1" {
			t.Fatalf("%s is not installed; on Debian: apt-get install %s", name, pkg)
		}
		t.Skip(name + " is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func echoMethod(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = io.WriteString(w, r.Proto+" "+r.Method+" "+string(body))
}

func TestCurlSpeaksEveryVersion(t *testing.T) {
	cert, _, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	plain := "http://" + start(t, http.HandlerFunc(echoMethod), nil)
	secure := "https://" + start(t, http.HandlerFunc(echoMethod), &Config{
		Listen: servers.Config{TLS: &servers.TLSConfig{Certificates: []tls.Certificate{cert}}},
	})
	for _, c := range []struct {
		url, proto string
		args       []string
	}{
		{plain, "HTTP/1.1", nil},
		{plain, "HTTP/2.0", []string{"--http2-prior-knowledge"}},
		{plain, "HTTP/1.1", []string{"--http2"}}, // requests h2c by Upgrade, which is ignored
		{secure, "HTTP/2.0", []string{"-k", "--http2"}},
		{secure, "HTTP/1.1", []string{"-k", "--http1.1"}},
	} {
		args := append([]string{"-sS", "--max-time", "20"}, c.args...)
		for _, method := range []string{"GET", "DELETE", "OPTIONS", "OWN"} {
			require.Equal(t, c.proto+" "+method+" ", program(t, "curl", "curl", append(args, "-X", method, c.url)...))
		}
		for _, method := range []string{"POST", "PUT", "PATCH"} {
			require.Equal(t, c.proto+" "+method+" hello", program(t, "curl", "curl", append(args, "-X", method, "-d", "hello", c.url)...))
			require.Equal(t, c.proto+" "+method+" hello",
				program(t, "curl", "curl", append(args, "-X", method, "-d", "hello", "-H", "Expect: 100-continue", c.url)...))
		}
		require.Contains(t, program(t, "curl", "curl", append(args, "-I", c.url)...), " 200")
	}
}

func TestNghttpAndH2load(t *testing.T) {
	url := "http://" + start(t, http.HandlerFunc(echoMethod), nil)
	require.Equal(t, "HTTP/2.0 GET ", program(t, "nghttp2-client", "nghttp", url))
	out := program(t, "nghttp2-client", "h2load", "-n", "2000", "-c", "4", "-m", "100", url)
	require.Contains(t, out, "2000 succeeded, 0 failed")
}
