package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/hostname"
)

// Resolver resolves host names. It must be safe for concurrent use.
type Resolver interface {
	// LookupAddrs returns the addresses of host, at least one, in order of preference. It blocks until it has them, has
	// failed, or ctx ends. The caller owns the slice. The error wraps a [*net.DNSError], with IsNotFound if there is no
	// such host, or the cause of ctx.
	LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error)
}

// ResolverFunc is a function that implements [Resolver].
type ResolverFunc func(ctx context.Context, host string) ([]netip.Addr, error)

// LookupAddrs calls f.
func (f ResolverFunc) LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error) {
	return f(ctx, host)
}

// SystemResolver resolves as the system is configured to, with /etc/hosts, /etc/resolv.conf and so on. A nil r means
// [net.DefaultResolver]. International names are encoded. When ctx ends, a lookup by the C library is not interrupted but
// abandoned, as in package net.
func SystemResolver(r *net.Resolver) Resolver {
	if r == nil {
		r = net.DefaultResolver
	}
	return ResolverFunc(func(ctx context.Context, host string) ([]netip.Addr, error) {
		addrs, err := r.LookupNetIP(ctx, "ip", hostname.Encoded(host))
		if err != nil {
			return nil, resolveError(ctx, host, err)
		}
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		return addrs, nil
	})
}

// resolveError returns the error of a lookup, or the cause of its ctx.
func resolveError(ctx context.Context, host string, err error) error {
	if ctx.Err() == nil {
		return err
	}
	cause := chanio.Cause(ctx)
	return &net.DNSError{
		UnwrapErr: cause, Err: cause.Error(), Name: host, IsTimeout: errors.Is(ctx.Err(), context.DeadlineExceeded),
	}
}

// notFound is the error for an unknown host.
func notFound(host, why string) error {
	return &net.DNSError{Err: why, Name: host, IsNotFound: true}
}

// isNotFound reports whether err means that there is no such host.
func isNotFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// StaticResolver resolves the names in a table, and no others.
type StaticResolver struct {
	exact map[string][]netip.Addr
	wild  []wildcard // longest first
}

type wildcard struct {
	suffix string // ".example.org", or "" for every name
	addrs  []netip.Addr
}

// NewStaticResolver returns a Resolver of the names in table, each with its IP addresses in order. "*.example.org"
// matches example.org and every name below it, at any depth; "*" matches every name. An exact name takes precedence
// over a wildcard, and a longer wildcard over a shorter one. Names are compared as in DNS, ignoring case and a final
// dot; an international name may be in Unicode or ASCII form.
func NewStaticResolver(table map[string][]string) (*StaticResolver, error) {
	r := &StaticResolver{exact: map[string][]netip.Addr{}}
	for name, texts := range table {
		addrs, err := parseAddrs(name, texts)
		if err != nil {
			return nil, err
		}
		if err := r.add(name, addrs); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(r.wild, func(a, b wildcard) int { return cmp.Compare(len(b.suffix), len(a.suffix)) })
	return r, nil
}

func parseAddrs(name string, texts []string) ([]netip.Addr, error) {
	if len(texts) == 0 {
		return nil, fmt.Errorf("clients: NewStaticResolver: %q has no address: leave it out if it is to be unknown", name)
	}
	addrs := make([]netip.Addr, len(texts))
	for i, text := range texts {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf(
				`clients: NewStaticResolver: %q: %w; an address is like "192.0.2.1" or "2001:db8::1", without a port`, name, err)
		}
		addrs[i] = addr
	}
	return addrs, nil
}

func (r *StaticResolver) add(name string, addrs []netip.Addr) error {
	base, wild := strings.CutPrefix(name, "*.")
	if name == "*" {
		r.wild = append(r.wild, wildcard{"", addrs})
		return nil
	}
	host, err := hostname.ASCII(base)
	if err != nil || strings.Contains(base, "*") {
		return fmt.Errorf(`clients: NewStaticResolver: %q is not a host name; a wildcard is like "*.example.org"`, name)
	}
	twice := r.exact[host] != nil
	if wild {
		twice = slices.ContainsFunc(r.wild, func(w wildcard) bool { return w.suffix == "."+host })
	}
	if twice {
		return fmt.Errorf("clients: NewStaticResolver: %q is in the table twice, written differently", name)
	}
	if wild {
		r.wild = append(r.wild, wildcard{"." + host, addrs})
	} else {
		r.exact[host] = addrs
	}
	return nil
}

// LookupAddrs returns the addresses of host in the table. It never blocks.
func (r *StaticResolver) LookupAddrs(_ context.Context, host string) ([]netip.Addr, error) {
	name, err := hostname.ASCII(host)
	if err != nil {
		return nil, notFound(host, err.Error())
	}
	if addrs := r.exact[name]; addrs != nil {
		return slices.Clone(addrs), nil
	}
	for _, w := range r.wild {
		if w.suffix == "" || strings.HasSuffix("."+name, w.suffix) {
			return slices.Clone(w.addrs), nil
		}
	}
	return nil, notFound(host, "no such host in the static table")
}

// FirstOf returns a Resolver that asks the given ones in turn until one knows the host, for instance a static table and
// then DNS. It continues only if there is no such host, and returns any other failure, because the next resolver might
// know a different host by that name.
func FirstOf(resolvers ...Resolver) Resolver {
	if len(resolvers) == 0 {
		panic("clients: FirstOf: needs at least one Resolver")
	}
	resolvers = slices.Clone(resolvers)
	return ResolverFunc(func(ctx context.Context, host string) (addrs []netip.Addr, err error) {
		for _, r := range resolvers {
			// After the end of ctx, err may be its cause, which may say that some other host does not exist.
			if addrs, err = r.LookupAddrs(ctx, host); err == nil || ctx.Err() != nil || !isNotFound(err) {
				return addrs, err
			}
		}
		return nil, err
	})
}

// RoundRobin returns a Resolver that rotates the addresses returned by r, separately for each host, so that connections
// are distributed over them. The order of address families is kept. It keeps a position for up to 1,024 hosts and
// resets them all beyond that.
func RoundRobin(r Resolver) Resolver {
	turns := turns{of: map[string]int{}}
	return ResolverFunc(func(ctx context.Context, host string) ([]netip.Addr, error) {
		addrs, err := r.LookupAddrs(ctx, host)
		if err != nil || len(addrs) < 2 {
			return addrs, err
		}
		return rotate(addrs, turns.next(host)), nil
	})
}

type turns struct {
	mu sync.Mutex
	of map[string]int
}

const maxTurns = 1024

func (t *turns) next(host string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, known := t.of[host]
	if !known && len(t.of) >= maxTurns {
		clear(t.of)
	}
	t.of[host] = n + 1
	return n
}

// rotate rotates the addresses of each family by n, within the positions of that family.
func rotate(addrs []netip.Addr, n int) []netip.Addr {
	families := map[bool][]netip.Addr{}
	for _, a := range addrs {
		families[a.Is4()] = append(families[a.Is4()], a)
	}
	next := map[bool]int{true: n, false: n}
	out := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		family := families[a.Is4()]
		out[i] = family[next[a.Is4()]%len(family)]
		next[a.Is4()]++
	}
	return out
}

// lookup resolves the host of an address to dial. It returns an IP address unchanged. A nil r means the system's
// resolver.
func lookup(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	if r == nil {
		r = SystemResolver(nil)
	}
	addrs, err := r.LookupAddrs(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = notFound(host, "the resolver returned no address")
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}
