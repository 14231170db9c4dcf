package clients_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-go/weir/clients"
)

// node is the data of a name in a zone: an alias, or addresses of both families.
type node struct {
	alias  string
	v4, v6 []string
}

// zone is a set of names, with servers that may be faulty.
type zone struct {
	nodes map[string]node
	bad   map[string]string // fault of a server: "silent", "refused", "failing", "lame", or ""
	ttl   uint32
	r     *rand.Rand // guarded by the dnsServer's mutex
	later sync.WaitGroup
}

// end follows the aliases from name. ok is false if they form a loop.
func (z *zone) end(name string) (n node, known, ok bool) {
	for range 20 {
		if n, known = z.nodes[name]; n.alias == "" {
			return n, known, true
		}
		name = n.alias
	}
	return node{}, false, false
}

func (n node) of(typ dnsmessage.Type) []dnsmessage.ResourceBody {
	var bodies []dnsmessage.ResourceBody
	if typ == dnsmessage.TypeA {
		for _, text := range n.v4 {
			bodies = append(bodies, aRecord(text))
		}
		return bodies
	}
	for _, text := range n.v6 {
		bodies = append(bodies, aaaaRecord(text))
	}
	return bodies
}

// right returns a correct answer to q, with a random number of the aliases.
func (z *zone) right(q query) []byte {
	n, known := z.nodes[q.name]
	if !known {
		return q.none(dnsmessage.RCodeNameError, z.ttl)
	}
	if n.alias == "" {
		if bodies := n.of(q.typ); len(bodies) > 0 {
			return q.with(z.ttl, bodies...)
		}
		return q.none(dnsmessage.RCodeSuccess, z.ttl)
	}
	return q.pack(func(m *dnsmessage.Message) {
		owner := q.name
		for hops := 1 + z.r.IntN(3); hops > 0 && n.alias != ""; hops-- {
			m.Answers = append(m.Answers, resource(owner, z.ttl, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(n.alias)}))
			owner = n.alias
			n = z.nodes[owner]
		}
		if oneIn(z.r, 2) {
			return // the end of the chain must be queried
		}
		for _, body := range n.of(q.typ) {
			m.Answers = append(m.Answers, resource(owner, z.ttl, body))
		}
		if oneIn(z.r, 2) {
			z.r.Shuffle(len(m.Answers), func(i, j int) {
				if m.Answers[i].Header.Type == dnsmessage.TypeCNAME && m.Answers[j].Header.Type == dnsmessage.TypeCNAME {
					m.Answers[i], m.Answers[j] = m.Answers[j], m.Answers[i]
				}
			})
		}
	})
}

func resource(owner string, ttl uint32, body dnsmessage.ResourceBody) dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(owner), Class: dnsmessage.ClassINET, TTL: ttl}
	if _, alias := body.(*dnsmessage.CNAMEResource); alias {
		h.Type = dnsmessage.TypeCNAME
	}
	return dnsmessage.Resource{Header: h, Body: body}
}

// answer is the answer function of a dnsServer: it sends lies first, then an answer according to its fault.
func (z *zone) answer(q query, send func(msg []byte)) {
	if q.network == "udp" {
		for range z.r.IntN(4) {
			send(z.lie(q))
		}
	}
	switch z.bad[q.server] {
	case "silent":
		return
	case "refused":
		send(q.none(dnsmessage.RCodeRefused, 0))
		return
	case "failing":
		send(q.none(dnsmessage.RCodeServerFailure, 0))
		return
	case "lame":
		send(q.pack(func(m *dnsmessage.Message) {
			m.Authorities = []dnsmessage.Resource{resource("test.", z.ttl, &dnsmessage.NSResource{NS: dnsmessage.MustNewName("ns.test.")})}
		}))
		return
	}
	msg := z.right(q)
	if q.network == "udp" && oneIn(z.r, 4) {
		msg = q.pack(func(m *dnsmessage.Message) { m.Truncated = true })
	}
	pause := upTo(z.r, 10*time.Millisecond)
	z.later.Go(func() {
		time.Sleep(pause)
		send(msg)
	})
}

// lie is a datagram that does not answer q and must be ignored.
func (z *zone) lie(q query) []byte {
	false1 := q.with(z.ttl, aRecord("192.0.2.66"), aaaaRecord("2001:db8::66"))
	change := func(f func(m *dnsmessage.Message)) []byte {
		return q.pack(func(m *dnsmessage.Message) {
			m.Answers = []dnsmessage.Resource{resource(q.name, z.ttl, aRecord("192.0.2.66")), resource(q.name, z.ttl, aaaaRecord("2001:db8::66"))}
			f(m)
		})
	}
	switch z.r.IntN(6) {
	case 0:
		return change(func(m *dnsmessage.Message) { m.ID++ })
	case 1:
		return change(func(m *dnsmessage.Message) { m.Response = false })
	case 2:
		return change(func(m *dnsmessage.Message) {
			m.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("other.test."), Type: q.typ, Class: dnsmessage.ClassINET}}
		})
	case 3:
		return change(func(m *dnsmessage.Message) { m.Questions = append(slices.Clone(m.Questions), m.Questions[0]) })
	case 4:
		return change(func(m *dnsmessage.Message) { m.Questions = nil })
	}
	return false1[:z.r.IntN(12)]
}

// A lookup succeeds if one server is correct, whatever else arrives.
func TestDNSResolverFindsWhatAnyHonestServerSays(t *testing.T) {
	modelled(t, func(t *testing.T, r *rand.Rand) {
		synctest.Test(t, func(t *testing.T) { runDNS(t, r) })
	})
}

func runDNS(t *testing.T, r *rand.Rand) {
	z := &zone{nodes: map[string]node{}, bad: map[string]string{}, ttl: uint32(r.IntN(3)) * 30, r: rand.New(rand.NewPCG(r.Uint64(), 0))}
	names := []string{"a.test.", "b.test.", "c.test.", "d.test.", "e.test.", "f.test.", "g.test."}
	for i, name := range names[:6] {
		var n node
		if oneIn(r, 2) {
			n.alias = names[r.IntN(len(names))]
		} else {
			for j := range r.IntN(3) {
				n.v4 = append(n.v4, fmt.Sprintf("10.0.%d.%d", i, j))
			}
			for j := range r.IntN(3) {
				n.v6 = append(n.v6, fmt.Sprintf("fd00::%d:%d", i, j+1))
			}
		}
		z.nodes[name] = n
	}
	servers := []string{"10.1.0.1:53", "10.1.0.2:53", "10.1.0.3:53"}[:1+r.IntN(3)]
	silent := false
	for _, server := range servers[:len(servers)-1] {
		z.bad[server] = []string{"", "silent", "refused", "failing", "lame"}[r.IntN(5)]
		silent = silent || z.bad[server] == "silent"
	}
	r.Shuffle(len(servers), func(i, j int) { servers[i], servers[j] = servers[j], servers[i] })
	world := &dnsServer{answer: z.answer}
	resolver, err := clients.NewDNSResolver(&clients.DNSConfig{
		Servers: servers, Rotate: oneIn(r, 2), UseTCP: oneIn(r, 4), CacheSize: r.IntN(3) * 5, Dial: world.dial,
	})
	require.NoError(t, err)
	var all sync.WaitGroup
	gone := errors.New("gone")
	for range 1 + r.IntN(6) {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		all.Go(func() {
			for range 4 {
				name := names[own.IntN(len(names))]
				ctx, cancel := context.WithCancelCause(t.Context())
				if oneIn(own, 5) {
					time.AfterFunc(upTo(own, 30*time.Millisecond), func() { cancel(gone) })
				}
				got, err := resolver.LookupAddrs(ctx, name)
				if !errors.Is(err, gone) {
					z.judge(t, name, got, err, silent || ctx.Err() != nil)
				}
				cancel(nil)
				time.Sleep(upTo(own, 20*time.Second))
			}
		})
	}
	all.Wait()
	z.later.Wait()
	world.serving.Wait()
}

// judge compares a result with the zone. One family may be missing if its answer was late or ctx ended first.
func (z *zone) judge(t *testing.T, name string, got []netip.Addr, err error, late bool) {
	n, _, ok := z.end(name)
	var v6, v4 []netip.Addr
	for _, text := range n.v6 {
		v6 = append(v6, netip.MustParseAddr(text))
	}
	for _, text := range n.v4 {
		v4 = append(v4, netip.MustParseAddr(text))
	}
	want := slices.Concat(v6, v4)
	var dns *net.DNSError
	switch {
	case len(want) > 0 && late && err == nil && (slices.Equal(got, v4) || slices.Equal(got, v6)):
	case len(want) > 0:
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	case !errors.As(err, &dns) || len(got) > 0:
		t.Errorf("%s: got %v, %v, want no address", name, got, err)
	case ok && !dns.IsNotFound:
		t.Errorf("%s: got %v, want no such host", name, err)
	case !ok && dns.IsNotFound:
		t.Errorf("%s: got %v, want a loop", name, err)
	}
}
