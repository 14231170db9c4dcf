package h2spec

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// module is the go.mod of the tool, with the version of every module.
const module = `module tool

go 1.26.0

require (
	github.com/fatih/color v1.19.0
	github.com/mattn/go-colorable v0.1.14
	github.com/mattn/go-isatty v0.0.20
	github.com/spf13/cobra v1.10.2
	github.com/summerwind/h2spec v2.2.1+incompatible
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
	golang.org/x/text v0.43.0
)
`

// build builds the tool. If it cannot be fetched the test is skipped, or fails if WEIR_REQUIRE=1 is set.
func build(t *testing.T) string {
	t.Helper()
	if os.Getenv("WEIR_REQUIRE") != "1" {
		t.Skip("h2spec is run with WEIR_REQUIRE=1 only")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(module), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-o", "h2spec", "github.com/summerwind/h2spec/cmd/h2spec")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "h2spec")
}

const (
	allOfThem = "146 tests, 146 passed, 0 skipped, 0 failed"
	allButOne = "146 tests, 145 passed, 0 skipped, 1 failed"
)

// TestAllOfH2specHolds runs the 146 cases in strict mode, with TLS and without. On a port without TLS that also serves
// HTTP/1, input that does not start with the preface of HTTP/2 is an HTTP/1 request, and an invalid one is answered 400
// (RFC 9112 3). The tool expects the connection to end without a reply, and parses the answer as a frame.
func TestAllOfH2specHolds(t *testing.T) {
	tool := build(t)
	cert, _, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	var plain http.Protocols
	plain.SetUnencryptedHTTP2(true)
	for name, c := range map[string]struct {
		cfg  httpd.Config
		args []string
		says []string
	}{
		"h2 and HTTP/1": {
			httpd.Config{Listen: servers.Config{TLS: &servers.TLSConfig{Certificates: []tls.Certificate{cert}}}},
			[]string{"-t", "-k"}, []string{allOfThem},
		},
		"h2c":            {httpd.Config{Protocols: &plain}, nil, []string{allOfThem}},
		"h2c and HTTP/1": {httpd.Config{}, nil, []string{allButOne, "× 2: Sends invalid connection preface", "looked like an HTTP/1.1 header"}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, &c.cfg)
			host, port, err := net.SplitHostPort(addr)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			args := append([]string{"-S", "-h", host, "-p", port, "-o", "5"}, c.args...)
			out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
			require.Equal(t, c.says[0] == allOfThem, err == nil, "%s", out)
			for _, said := range c.says {
				require.Contains(t, string(out), said, "%s", out)
			}
		})
	}
}

// serve runs a server until the test ends.
func serve(t *testing.T, cfg *httpd.Config) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := httpd.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello\n")
	}), cfg)
	served := make(chan error, 1)
	if cfg.Listen.TLS != nil {
		_ = ln.Close()
		tln, err := servers.ListenTCP("127.0.0.1:0", &cfg.Listen)
		require.NoError(t, err)
		addr = tln.Addr().String()
		go func() { served <- srv.ServeListener(context.Background(), tln) }()
	} else {
		addr = ln.Addr().String()
		go func() { served <- srv.Serve(context.Background(), ln) }()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		require.NoError(t, <-served)
	})
	return addr
}
