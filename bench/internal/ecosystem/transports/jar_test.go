package transports

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/publicsuffix"

	"github.com/weir-go/weir/bench/internal/ecosystem"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
)

// TestJarOfThePublicSuffixes uses two clients: an http.Client with its own jar over httpc, and httpc with the jar. All
// hosts are the same server.
func TestJarOfThePublicSuffixes(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/set" {
			http.SetCookie(w, &http.Cookie{Name: "site", Value: "1", Domain: r.URL.Query().Get("domain"), Path: "/"})
			http.Redirect(w, r, "/show", http.StatusFound)
			return
		}
		var all []string
		for _, c := range r.Cookies() {
			all = append(all, c.Name+"="+c.Value)
		}
		_, _ = io.WriteString(w, strings.Join(all, " "))
	})
	s := ecosystem.Serve(t, ecosystem.Ways[0], h, nil)
	dial := func(ctx context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
		var d net.Dialer
		nc, err := d.DialContext(ctx, "tcp", s.Addr)
		if err != nil {
			return nil, err
		}
		return chanio.NewConn(nc, conn), nil
	}
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	require.NoError(t, err)
	around := *s.Ours(t, &httpc.Config{Dial: dial}).HTTP()
	around.Jar = jar
	inside := s.Ours(t, &httpc.Config{Dial: dial, Jar: httpc.NewJar()}).HTTP()
	for _, client := range []*http.Client{&around, inside} {
		for _, c := range []struct{ set, domain, show, want string }{
			{"a.example.co.uk", "example.co.uk", "b.example.co.uk", "site=1"},
			{"a.example.co.uk", "co.uk", "other.co.uk", ""},
			{"a.example.org", "", "a.example.org", "site=1"},
			{"a.example.org", "", "b.example.org", ""},
		} {
			resp, err := client.Get("http://" + c.set + "/set?domain=" + c.domain)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			require.NoError(t, resp.Body.Close())
			resp, err = client.Get("http://" + c.show + "/show")
			require.NoError(t, err)
			p, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, c.want, string(p), "%+v", c)
		}
	}
}
