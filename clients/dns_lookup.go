package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/dnsmsg"
)

// patience is how long to wait for IPv6 after IPv4 has been answered. RFC 8305 suggests 50 ms, but continues in the
// background to fill the cache. It has no such limit for IPv4: few machines do without.
const patience = 250 * time.Millisecond

// lookupName returns the addresses of an absolute name for all families.
func (r *DNSResolver) lookupName(ctx context.Context, name string) ([]netip.Addr, error) {
	if len(r.types) == 1 {
		got, err := r.remembered(ctx, question{name, r.types[0]})
		return slices.Clone(got), orNotFound(name, got, err)
	}
	got, errs := r.lookupBoth(ctx, name)
	addrs := slices.Concat(got[0], got[1])
	if len(addrs) > 0 {
		return addrs, nil
	}
	for i := range got {
		if err := orNotFound(name, got[i], errs[i]); !isNotFound(err) {
			return nil, err
		}
	}
	return nil, notFound(name, "no such host")
}

func orNotFound(name string, got []netip.Addr, err error) error {
	if err == nil && len(got) == 0 {
		return notFound(name, "no such host")
	}
	return err
}

// lookupBoth queries both families concurrently, the second in its own goroutine.
func (r *DNSResolver) lookupBoth(ctx context.Context, name string) (got [2][]netip.Addr, errs [2]error) {
	ctx, cancel := context.WithCancel(ctx)
	var other sync.WaitGroup
	defer other.Wait() // also if the user's Dial calls runtime.Goexit
	defer cancel()
	var late *time.Timer // ends the query for IPv6
	ask := func(i int) {
		returned := false
		defer func() {
			if !returned {
				errs[i] = chanio.Recovered(recover()) // a panic of the user's Dial must not end the process
			}
		}()
		got[i], errs[i] = r.remembered(ctx, question{name, r.types[i]})
		returned = true
		if r.types[i] == dnsmessage.TypeA && len(got[i]) > 0 {
			late = time.AfterFunc(patience, func() {
				if r.hasRoute(got[i][0]) { // otherwise only IPv6 is of use
					cancel()
				}
			})
		}
	}
	other.Go(func() { ask(1) })
	ask(0)
	other.Wait()
	if late != nil {
		late.Stop()
	}
	return got, errs
}

// hasRoute reports whether this machine has a route to addr. It sends nothing.
func hasRoute(addr netip.Addr) bool {
	const anyPort = 9
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, anyPort)))
	if err != nil {
		return !isNoRoute(err)
	}
	_ = c.Close() // nothing was sent
	return true
}

// remembered returns the cached answer to q, or queries it.
func (r *DNSResolver) remembered(ctx context.Context, q question) ([]netip.Addr, error) {
	return r.cache.Do(ctx, q, func() ([]netip.Addr, time.Duration, error) { return r.resolve(ctx, q) })
}

// resolve queries q, and the targets of its aliases if the servers did not follow them to the end.
func (r *DNSResolver) resolve(ctx context.Context, q question) ([]netip.Addr, time.Duration, error) {
	name, ttl := q.name, r.cfg.MaxTTL
	for range dnsmsg.MaxAliases {
		a, err := r.askAll(ctx, question{name, q.typ})
		switch {
		case err != nil:
			return nil, a.TTL, err
		case len(a.Addrs) > 0:
			ttl = max(min(ttl, a.TTL), min(r.cfg.MinTTL, r.cfg.MaxTTL))
			return a.Addrs, ttl, nil
		case a.Alias == "" || a.RCode == dnsmessage.RCodeNameError:
			return nil, min(ttl, a.TTL, r.cfg.NegativeTTL), nil
		}
		name, ttl = a.Alias, min(ttl, a.TTL)
	}
	return nil, 0, &net.DNSError{UnwrapErr: dnsmsg.ErrAliases, Err: dnsmsg.ErrAliases.Error(), Name: q.name}
}

// errServerFailed is wrapped by the error of a lookup that a server failed to answer. Other servers may have the
// answer.
var errServerFailed = errors.New("the server failed")

// askAll queries the servers in turn until one has an answer. If ctx has a deadline, each server of a round has a share
// of the time left, so that one that does not answer leaves time for the others. With a failure, a negative TTL means
// that a caller with more time might have had an answer.
func (r *DNSResolver) askAll(ctx context.Context, q question) (a dnsmsg.Answer, err error) {
	first := 0
	if r.cfg.Rotate {
		first = int(r.turn.Add(1) % uint32(len(r.cfg.Servers)))
	}
	var ttl time.Duration
	for range r.cfg.Attempts {
		for i := range r.cfg.Servers {
			server := r.cfg.Servers[(first+i)%len(r.cfg.Servers)]
			if a, err = r.askInTime(ctx, server, q, len(r.cfg.Servers)-i); err == nil {
				return a, nil
			}
			if errors.Is(err, dnsmsg.ErrLame) {
				err = fmt.Errorf("%w: %w", errServerFailed, err)
			}
			err = dnsError(err, q.name, server)
			ttl = min(ttl, a.TTL)
			if ctx.Err() != nil || errors.Is(err, dnsmsg.ErrAliases) {
				return a, err
			}
		}
	}
	a.TTL = ttl
	return a, err
}

// askInTime queries one of the servers that are left in a round. If a share of the time was too short, the TTL is -1.
func (r *DNSResolver) askInTime(ctx context.Context, server string, q question, left int) (dnsmsg.Answer, error) {
	if _, bounded := ctx.Deadline(); bounded && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share(ctx, left))
		defer cancel()
	}
	a, err := r.ask(ctx, server, q)
	if err != nil && ctx.Err() != nil {
		a.TTL = -1
	}
	return a, err
}

// dnsError converts err to a *net.DNSError.
func dnsError(err error, name, server string) error {
	var timeout net.Error
	late := errors.As(err, &timeout) && timeout.Timeout()
	text := err.Error()
	if late {
		text = "no answer in time: is the server right, and does a firewall let UDP and TCP port 53 through?"
	}
	return &net.DNSError{
		UnwrapErr: err, Err: text, Name: name, Server: server, IsTimeout: late, IsTemporary: true,
	}
}
