package tlsconf

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/weir-go/weir/internal/hostname"
)

// hosts finds the site of a server name.
type hosts struct {
	exact    map[string]*site
	wildcard map[string]*site // by the part after "*"
}

func newHosts(configs map[string]*Server, outer *site, log *slog.Logger) (*hosts, error) {
	h := &hosts{exact: map[string]*site{}, wildcard: map[string]*site{}}
	for key, server := range configs {
		if err := h.add(key, server, outer, log); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *hosts) add(key string, server *Server, outer *site, log *slog.Logger) error {
	name, err := readName(key)
	switch {
	case err != nil:
		return err
	case server == nil:
		return inHost(key, errors.New("its configuration is nil"))
	case len(server.Hosts) > 0 || server.HandshakeTimeout != 0:
		return inHost(key, errors.New("fields Hosts and HandshakeTimeout are for the whole server: leave them out here"))
	}
	sites, suffix := h.exact, name
	if rest, ok := strings.CutPrefix(name, "*"); ok {
		sites, suffix = h.wildcard, rest
	}
	if sites[suffix] != nil {
		return fmt.Errorf("tls: host %q is in Hosts twice, written differently", name)
	}
	sites[suffix], err = newSite(key, server, outer, log)
	return err
}

// readName returns a key of Hosts in the form that clients send. It rejects names that no client can send.
func readName(key string) (string, error) {
	rest, wild := strings.CutPrefix(key, "*.")
	name, err := hostname.ASCII(rest)
	_, notIP := netip.ParseAddr(rest)
	if err != nil || notIP == nil || strings.ContainsAny(rest, "*/:[]") || strings.HasSuffix(rest, ".") {
		return "", fmt.Errorf("tls: host %q is not a name that a client can ask for: write \"example.com\" or \"*.example.com\"", key)
	}
	if wild {
		name = "*." + name
	}
	return name, nil
}

// find returns the site of name, or nil if name is not among the hosts.
func (h *hosts) find(name string) *site {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if site := h.exact[name]; site != nil {
		return site
	}
	if i := strings.IndexByte(name, '.'); i > 0 {
		return h.wildcard[name[i:]]
	}
	return nil
}
