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

// Resolver finds the addresses of hosts. Implementations are for any goroutine.
type Resolver interface {
	// LookupAddrs returns the addresses of host, at least one, the preferred first. It blocks until it has them, has
	// failed, or ctx ends. The slice is the caller's. The error wraps a [*net.DNSError], which IsNotFound if there is
	// no such host, or the cause of ctx.
	LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error)
}

// ResolverFunc is a function as a [Resolver].
type ResolverFunc func(ctx context.Context, host string) ([]netip.Addr, error)

// LookupAddrs calls f.
func (f ResolverFunc) LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error) {
	return f(ctx, host)
}

// SystemResolver resolves as the system is configured to: /etc/hosts, /etc/resolv.conf and the like. r may be nil,
// which means [net.DefaultResolver]. When ctx ends, a look-up by the C library is not interrupted but left behind, as the
// net package does.
func SystemResolver(r *net.Resolver) Resolver {
	if r == nil {
		r = net.DefaultResolver
	}
	return ResolverFunc(func(ctx context.Context, host string) ([]netip.Addr, error) {
		addrs, err := r.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, resolveError(ctx, host, err)
		}
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		return addrs, nil
	})
}

// resolveError is err of a look-up, or that its ctx ended.
func resolveError(ctx context.Context, host string, err error) error {
	if ctx.Err() == nil {
		return err
	}
	cause := chanio.Cause(ctx)
	return &net.DNSError{
		UnwrapErr: cause, Err: cause.Error(), Name: host, IsTimeout: errors.Is(ctx.Err(), context.DeadlineExceeded),
	}
}

// notFound is the error of a resolver that knows no host of that name.
func notFound(host, why string) error {
	return &net.DNSError{Err: why, Name: host, IsNotFound: true}
}

// isNotFound reports whether err says that there is no such host.
func isNotFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// StaticResolver resolves the names of a table and no others.
type StaticResolver struct {
	exact map[string][]netip.Addr
	wild  []wildcard // the longest first
}

type wildcard struct {
	suffix string // ".example.org", or "" for every name
	addrs  []netip.Addr
}

// NewStaticResolver returns a Resolver of the names in table, each with its IP addresses in the order in which they are
// returned. "*.example.org" stands for example.org and every name below it, at any depth, and "*" for every name. An
// exact name comes before a wildcard and a longer wildcard before a shorter. Names are compared as DNS does, without
// regard to case, to a final dot, and to whether an international name is written in Unicode.
// The order of the table does not matter.
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

// LookupAddrs returns the addresses that the table has for host. It never blocks.
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

// FirstOf returns a Resolver that asks the given ones in turn, until one knows the host: a static table and then DNS,
// for instance. Only that there is no such host makes it go on. Any other failure is returned, since the next one might
// know another host by that name.
func FirstOf(resolvers ...Resolver) Resolver {
	if len(resolvers) == 0 {
		panic("clients: FirstOf: needs at least one Resolver")
	}
	resolvers = slices.Clone(resolvers)
	return ResolverFunc(func(ctx context.Context, host string) (addrs []netip.Addr, err error) {
		for _, r := range resolvers {
			if addrs, err = r.LookupAddrs(ctx, host); err == nil || !isNotFound(err) {
				return addrs, err
			}
		}
		return nil, err
	})
}

// RoundRobin returns a Resolver that begins each time with another of the addresses that r returns, in turn for each
// host, so that connections are spread over them. The order of address families stays as it is. It counts for 1,024
// hosts and starts again beyond that.
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

// rotate moves the addresses of each family on by n places among the places of that family.
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

// lookup resolves the host of an address to dial: itself if it is an IP address. A nil r is the system's.
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
