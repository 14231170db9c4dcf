package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/socket"
)

// dialer connects to hosts directly by TCP. It resolves the name and uses the first address that answers.
type dialer struct {
	resolver Resolver
	delay    time.Duration // between attempts
	local    string
	options  socket.Options
	allow    func(netip.AddrPort) error // or nil
}

// dial connects to addr, which is host:port. It is a [DialFunc].
func (d *dialer) dial(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
	nd, remotes, err := d.prepare(ctx, addr)
	if err != nil {
		return nil, dialError(ctx, "tcp", err)
	}
	delay := d.delay
	if from, ok := nd.LocalAddr.(*net.TCPAddr); ok && from.Port != 0 {
		delay = -1 // only one attempt at a time can have the port
	}
	nc, err := eyeballs[net.Conn]{
		delay: delay,
		dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			if d.allow != nil {
				if err := d.allow(to); err != nil {
					return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
				}
			}
			nc, err := nd.DialContext(undated{ctx}, "tcp", to.String())
			if err != nil {
				return nil, dialError(ctx, "tcp", err) // ctx may be for this address only
			}
			return nc, nil
		},
		discard: func(nc net.Conn) { _ = nc.Close() }, // nothing was sent on it
	}.race(ctx, remotes)
	if err != nil {
		return nil, dialError(ctx, "tcp", err)
	}
	d.options.Apply(nc)
	return chanio.NewConn(nc, conn), nil
}

// undated is a ctx without its deadline. Package net also sets that on the socket, where it may pass a moment before the
// ctx ends, and then a dial fails with an error that is not the ctx's.
type undated struct{ context.Context }

func (undated) Deadline() (time.Time, bool) { return time.Time{}, false }

// prepare returns the dialer and the addresses to dial.
func (d *dialer) prepare(ctx context.Context, addr string) (*net.Dialer, []netip.AddrPort, error) {
	nd := d.options.Dialer()
	var from net.IP
	if d.local != "" {
		ip, port, err := resolveLocal(ctx, "tcp", d.local)
		if err != nil {
			return nil, nil, fmt.Errorf("LocalAddr: %w", &net.OpError{Op: "dial", Net: "tcp", Err: err})
		}
		from = ip.AsSlice()
		nd.LocalAddr = &net.TCPAddr{IP: from, Port: port, Zone: ip.Zone()}
	}
	remotes, err := resolve(ctx, d.resolver, "tcp", addr, from)
	return nd, remotes, err
}

// resolve returns the addresses for addr, in the form host:port. If from is not nil, it returns only those of its
// family.
func resolve(ctx context.Context, r Resolver, network, addr string, from net.IP) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "localhost" // as in package net
	}
	addrs, err := lookup(ctx, r, host)
	if err != nil {
		return nil, err
	}
	var remotes []netip.AddrPort
	for _, a := range interleave(addrs) {
		if from == nil || a.Is4() == (from.To4() != nil) {
			remotes = append(remotes, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	if len(remotes) == 0 {
		return nil, fmt.Errorf("host %s has no address of the family of LocalAddr, %s", host, from)
	}
	return remotes, nil
}

// dialError wraps err in a [*net.OpError], with the cause of ctx if ctx has ended.
func dialError(ctx context.Context, network string, err error) error {
	if ctx.Err() != nil {
		cause := chanio.Cause(ctx)
		var op *net.OpError
		if errors.As(err, &op) {
			why := *op
			why.Err = cause
			return &why
		}
		return &net.OpError{Op: "dial", Net: network, Err: cause}
	}
	var op *net.OpError
	var dns *net.DNSError // contains an OpError if no name server was reached
	if errors.As(err, &op) && !errors.As(err, &dns) {
		return err
	}
	return &net.OpError{Op: "dial", Net: network, Err: err}
}

// within adds the timeout d to ctx, if d is positive. Its cause is what, such as "no connection", followed by d.
func within(ctx context.Context, d time.Duration, what string) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%s within %v: %w", what, d, os.ErrDeadlineExceeded))
}
