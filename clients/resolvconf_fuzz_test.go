package clients

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzResolvConf checks that a resolver can be created from any file, except for invalid search domains, which the
// error names.
func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 10.0.0.1\nsearch a.test b.test\noptions ndots:2 timeout:3 attempts:4\n")
	f.Fuzz(func(t *testing.T, text string) {
		conf := readResolvConf(strings.NewReader(text))
		require.LessOrEqual(t, len(conf.servers), 3)
		require.True(t, conf.ndots >= -1 && conf.ndots <= 15)
		require.True(t, conf.timeout >= 0 && conf.timeout <= 30*time.Second)
		require.True(t, conf.attempts >= 0 && conf.attempts <= 5)
		cfg := DNSConfig{Search: []string{}}
		require.NoError(t, cfg.complete(conf))
	})
}
