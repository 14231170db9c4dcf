package tlsconf

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
)

// hosts finds the configuration of a name.
type hosts struct {
	exact    map[string]*tls.Config
	wildcard map[string]*tls.Config // by what follows "*"
}

func newHosts(configs map[string]*Server, log *slog.Logger) (*hosts, error) {
	h := &hosts{exact: map[string]*tls.Config{}, wildcard: map[string]*tls.Config{}}
	for name, server := range configs {
		if err := checkName(name); err != nil {
			return nil, err
		}
		if server == nil {
			return nil, inHost(name, fmt.Errorf("its configuration is nil"))
		}
		cfg, err := server.config(name, log)
		if err != nil {
			return nil, err
		}
		if suffix, ok := strings.CutPrefix(strings.ToLower(name), "*"); ok {
			h.wildcard[suffix] = cfg
		} else {
			h.exact[strings.ToLower(name)] = cfg
		}
	}
	return h, nil
}

// checkName refuses names that no client can ask for.
func checkName(name string) error {
	rest := strings.TrimPrefix(name, "*.")
	if rest == "" || strings.ContainsAny(rest, "*/: ") || strings.HasPrefix(rest, ".") || strings.HasSuffix(rest, ".") {
		return fmt.Errorf("tls: host %q is not a name that a client can ask for: write \"example.com\" or \"*.example.com\"", name)
	}
	return nil
}

// find returns nil for a name that is not among the hosts.
func (h *hosts) find(name string) *tls.Config {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if cfg := h.exact[name]; cfg != nil {
		return cfg
	}
	if i := strings.IndexByte(name, '.'); i > 0 {
		return h.wildcard[name[i:]]
	}
	return nil
}
