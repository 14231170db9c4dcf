//go:build unix

package servers_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/servers"
)

// Certificates mounted as links into a directory that is replaced as a whole, with files of the same time.
func TestACertificateBehindLinksIsReadAnew(t *testing.T) {
	dir := t.TempDir()
	stamp := time.Now().Add(-time.Hour).Truncate(time.Second)
	deploy := func(version string) *tls.Config {
		cert, pool, err := servers.SelfSigned("weir.test")
		require.NoError(t, err)
		certPEM, keyPEM := pemOf(t, cert)
		require.NoError(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		for name, text := range map[string]string{"tls.crt": certPEM, "tls.key": keyPEM} {
			path := filepath.Join(dir, version, name)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			require.NoError(t, os.Chtimes(path, stamp, stamp))
		}
		fresh := filepath.Join(dir, "..tmp")
		require.NoError(t, os.Symlink(version, fresh))
		require.NoError(t, os.Rename(fresh, filepath.Join(dir, "..data")))
		return &tls.Config{RootCAs: pool, ServerName: "weir.test"}
	}
	config := deploy("..1")
	for _, name := range []string{"tls.crt", "tls.key"} {
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	ln := listenTLS(t, &servers.TLSConfig{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}, nil)
	serveOn(t, t.Context(), ln, echo)
	trusted := func(config *tls.Config) bool {
		nc, err := tls.Dial("tcp", ln.Addr().String(), config)
		if err != nil {
			return false
		}
		require.Equal(t, "hello", say(t, nc, "hello"))
		require.NoError(t, nc.Close())
		return true
	}
	require.True(t, trusted(config))
	for _, version := range []string{"..2", "..3"} { // more than once
		old := config
		config = deploy(version)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "..1")))
		for !trusted(config) { // checked once a second
			time.Sleep(10 * time.Millisecond)
		}
		require.False(t, trusted(old))
	}
}
