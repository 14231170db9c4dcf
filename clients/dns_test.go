package clients_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// dnsServer is an in-process server that behaves as its answer function.
type dnsServer struct {
	// answer sends any replies to a query. It is called for one query at a time.
	answer func(q query, send func(msg []byte))

	mu      sync.Mutex
	asked   []string // "udp 10.0.0.1:53 A a.test."
	serving sync.WaitGroup
}

// query is a query that a dnsServer received.
type query struct {
	network, server string
	name            string
	typ             dnsmessage.Type
	edns            bool
	msg             dnsmessage.Message // a reply without records
}

// dial is a [clients.DNSConfig.Dial]: each call returns a connection with a goroutine that answers it.
func (s *dnsServer) dial(_ context.Context, network, address string) (net.Conn, error) {
	near, far := net.Pipe() // a Read never joins two Writes, so it also serves for datagrams
	s.serving.Go(func() {
		defer far.Close()
		for {
			msg, err := readQuery(far, network)
			if err != nil {
				return
			}
			s.serve(far, network, address, msg)
		}
	})
	return near, nil
}

func readQuery(nc net.Conn, network string) ([]byte, error) {
	msg := make([]byte, 512)
	if network == "udp" {
		n, err := nc.Read(msg)
		return msg[:n], err
	}
	if _, err := io.ReadFull(nc, msg[:2]); err != nil {
		return nil, err
	}
	msg = msg[:binary.BigEndian.Uint16(msg)]
	_, err := io.ReadFull(nc, msg)
	return msg, err
}

func (s *dnsServer) serve(nc net.Conn, network, address string, msg []byte) {
	var q query
	if q.msg.Unpack(msg) != nil {
		panic("the resolver sent no message")
	}
	q.network, q.server, q.edns = network, address, len(q.msg.Additionals) > 0
	q.name, q.typ = q.msg.Questions[0].Name.String(), q.msg.Questions[0].Type
	q.msg.Response, q.msg.Additionals = true, nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, network+" "+address+" "+q.typ.String()[len("Type"):]+" "+q.name)
	s.answer(q, func(msg []byte) {
		if network == "tcp" {
			msg = append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
		}
		_, _ = nc.Write(msg)
	})
}

// takeAsked returns the queries since the last call, in order, except that families are queried concurrently.
func (s *dnsServer) takeAsked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (q query) pack(change func(m *dnsmessage.Message)) []byte {
	m := q.msg
	if change != nil {
		change(&m)
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// with returns a reply with records of the given TTL.
func (q query) with(ttl uint32, bodies ...dnsmessage.ResourceBody) []byte {
	return q.pack(func(m *dnsmessage.Message) {
		for _, body := range bodies {
			h := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: ttl}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
		}
	})
}

// none returns a reply that there is no such name or, with success, no such record.
func (q query) none(code dnsmessage.RCode, ttl uint32) []byte {
	return q.pack(func(m *dnsmessage.Message) {
		m.RCode = code
		m.Authorities = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("test."), Class: dnsmessage.ClassINET, TTL: ttl},
			Body: &dnsmessage.SOAResource{
				NS: dnsmessage.MustNewName("ns.test."), MBox: dnsmessage.MustNewName("root.test."), MinTTL: ttl,
			},
		}}
	})
}

func aRecord(text string) dnsmessage.ResourceBody {
	return &dnsmessage.AResource{A: netip.MustParseAddr(text).As4()}
}

func aaaaRecord(text string) dnsmessage.ResourceBody {
	return &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(text).As16()}
}

func cnameRecord(name string) dnsmessage.ResourceBody {
	return &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(name)}
}

// inDNS runs f in a bubble with a resolver that uses the server 10.0.0.1, unless cfg has others.
func inDNS(t *testing.T, cfg clients.DNSConfig, answer func(q query, send func([]byte)),
	f func(t *testing.T, r *clients.DNSResolver, s *dnsServer)) {
	synctest.Test(t, func(t *testing.T) {
		s := &dnsServer{answer: answer}
		cfg.Dial = s.dial
		if cfg.Servers == nil {
			cfg.Servers = []string{"10.0.0.1"}
		}
		r, err := clients.NewDNSResolver(&cfg)
		require.NoError(t, err)
		f(t, r, s)
		s.serving.Wait()
	})
}

func TestDNSReturnsBothFamiliesInOrder(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.typ == dnsmessage.TypeA {
			send(q.with(60, aRecord("10.1.0.1"), aRecord("10.1.0.2")))
		} else {
			send(q.with(60, aaaaRecord("2001:db8::1")))
		}
	}
	for order, want := range map[clients.AddrOrder][]netip.Addr{
		clients.IPv6First: addrs("2001:db8::1", "10.1.0.1", "10.1.0.2"),
		clients.IPv4First: addrs("10.1.0.1", "10.1.0.2", "2001:db8::1"),
		clients.IPv6Only:  addrs("2001:db8::1"),
		clients.IPv4Only:  addrs("10.1.0.1", "10.1.0.2"),
	} {
		inDNS(t, clients.DNSConfig{Order: order}, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
			got, err := r.LookupAddrs(t.Context(), "a.test")
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestDNSAnswersAreRememberedForTheirTTL(t *testing.T) {
	answer := func(q query, send func([]byte)) { send(q.with(60, aRecord("10.1.0.1"))) }
	for _, c := range []struct {
		name string
		cfg  clients.DNSConfig
		ttl  time.Duration
	}{
		{"the zone's", clients.DNSConfig{}, time.Minute},
		{"at most", clients.DNSConfig{MaxTTL: 20 * time.Second}, 20 * time.Second},
		{"at least", clients.DNSConfig{MinTTL: 2 * time.Minute}, 2 * time.Minute},
	} {
		c.cfg.Order = clients.IPv4Only
		inDNS(t, c.cfg, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
			for _, step := range []struct {
				wait  time.Duration
				asked int
			}{{0, 1}, {c.ttl - 1, 0}, {1, 1}, {0, 0}} {
				time.Sleep(step.wait)
				got, err := r.LookupAddrs(t.Context(), "A.test")
				require.NoError(t, err)
				got[0] = netip.Addr{} // the slice is the caller's, the cached one is not
				require.Len(t, s.takeAsked(), step.asked, c.name)
			}
			r.Forget()
			got, err := r.LookupAddrs(t.Context(), "a.test.")
			require.NoError(t, err)
			require.Equal(t, addrs("10.1.0.1"), got)
			require.Len(t, s.takeAsked(), 1)
		})
	}
}

func TestDNSRemembersNothingIfTold(t *testing.T) {
	answer := func(q query, send func([]byte)) { send(q.with(60, aRecord("10.1.0.1"))) }
	for _, cfg := range []clients.DNSConfig{{MaxTTL: -1, MinTTL: time.Hour}, {CacheSize: -1}} {
		cfg.Order = clients.IPv4Only
		inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
			for range 2 {
				_, err := r.LookupAddrs(t.Context(), "a.test")
				require.NoError(t, err)
			}
			require.Len(t, s.takeAsked(), 2)
		})
	}
}

func TestDNSRemembersAbsenceForAsLongAsTheZoneSays(t *testing.T) {
	for _, code := range []dnsmessage.RCode{dnsmessage.RCodeNameError, dnsmessage.RCodeSuccess} {
		answer := func(q query, send func([]byte)) { send(q.none(code, 60)) }
		for negative, ttl := range map[time.Duration]time.Duration{0: time.Minute, 20 * time.Second: 20 * time.Second, -1: 0} {
			inDNS(t, clients.DNSConfig{Order: clients.IPv4Only, NegativeTTL: negative}, answer,
				func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
					for _, wait := range []time.Duration{0, ttl} {
						time.Sleep(wait)
						_, err := r.LookupAddrs(t.Context(), "a.test")
						requireNotFound(t, err)
						require.Len(t, s.takeAsked(), 1)
					}
					if ttl > 0 {
						_, err := r.LookupAddrs(t.Context(), "a.test")
						requireNotFound(t, err)
						require.Empty(t, s.takeAsked())
					}
				})
		}
	}
}

// The absence of an alias's target does not outlast the alias.
func TestDNSRemembersAbsenceBehindAnAliasForAsLongAsTheAliasHolds(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		absent := q.none(dnsmessage.RCodeNameError, 60)
		require.NoError(t, q.msg.Unpack(absent))
		send(q.with(5, cnameRecord("gone.test.")))
	}
	inDNS(t, clients.DNSConfig{Order: clients.IPv4Only}, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		for _, want := range []int{1, 0, 1} {
			_, err := r.LookupAddrs(t.Context(), "www.test.")
			requireNotFound(t, err)
			require.Len(t, s.takeAsked(), want)
			time.Sleep(3 * time.Second)
		}
	})
}

func TestDNSAsksOnceForMany(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		time.Sleep(time.Second)
		send(q.with(60, aRecord("10.1.0.1")))
	}
	inDNS(t, clients.DNSConfig{Order: clients.IPv4Only}, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				got, err := r.LookupAddrs(t.Context(), "a.test")
				require.NoError(t, err)
				require.Equal(t, addrs("10.1.0.1"), got)
			})
		}
		all.Wait()
		require.Len(t, s.takeAsked(), 1)
	})
}

func TestDNSSearchesItsDomains(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.name == "www.b.test." || q.name == "a.b." {
			send(q.with(60, aRecord("10.1.0.1")))
			return
		}
		send(q.none(dnsmessage.RCodeNameError, 0))
	}
	for _, c := range []struct {
		host  string
		ndots int
		asked []string // in order; the last one succeeds
	}{
		{"www", 0, []string{"www.a.test.", "www.b.test."}},
		{"a.b", 0, []string{"a.b."}},
		{"a.b", 2, []string{"a.b.a.test.", "a.b.b.test.", "a.b."}},
		{"a.b", -1, []string{"a.b.a.test.", "a.b.b.test.", "a.b."}},
		{"a.b.", 2, []string{"a.b."}},
	} {
		cfg := clients.DNSConfig{Order: clients.IPv4Only, Search: []string{"a.test", "b.test"}, NDots: c.ndots}
		inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
			_, err := r.LookupAddrs(t.Context(), c.host)
			require.NoError(t, err)
			var want []string
			for _, name := range c.asked {
				want = append(want, "udp 10.0.0.1:53 A "+name)
			}
			require.Equal(t, want, s.takeAsked(), "%s with ndots %d", c.host, c.ndots)
		})
	}
}

func TestDNSSearchSurvivesADomainWhoseServerFails(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		switch q.name {
		case "www.a.test.":
			send(q.pack(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }))
		case "www.b.test.":
			send(q.with(60, aRecord("10.1.0.1")))
		default:
			send(q.none(dnsmessage.RCodeNameError, 0))
		}
	}
	cfg := clients.DNSConfig{Search: []string{"a.test", "b.test"}, Order: clients.IPv4Only}
	inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, _ *dnsServer) {
		got, err := r.LookupAddrs(t.Context(), "www")
		require.NoError(t, err)
		require.Equal(t, addrs("10.1.0.1"), got)
	})
	cfg.Search = []string{"a.test", "c.test"}
	inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, _ *dnsServer) {
		_, err := r.LookupAddrs(t.Context(), "www")
		require.ErrorContains(t, err, "ServerFailure")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		require.False(t, dns.IsNotFound, "nobody knows whether it is there")
		require.True(t, dns.IsTemporary)
	})
}

func TestDNSIgnoresWhatIsNoAnswer(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		send([]byte("garbage"))
		send(nil)
		send(q.pack(func(m *dnsmessage.Message) { m.ID++; m.RCode = dnsmessage.RCodeNameError }))
		send(q.pack(func(m *dnsmessage.Message) {
			m.Questions = slices.Clone(m.Questions)
			m.Questions[0].Name = dnsmessage.MustNewName("forged.test.")
		}))
		send(q.pack(func(m *dnsmessage.Message) { m.ID++; m.Truncated = true })) // nothing to ask over TCP for
		send(make([]byte, 4096))
		time.Sleep(time.Second)
		send(q.with(60, aRecord("10.1.0.1")))
	}
	inDNS(t, clients.DNSConfig{Order: clients.IPv4Only}, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		got, err := r.LookupAddrs(t.Context(), "a.test")
		require.NoError(t, err)
		require.Equal(t, addrs("10.1.0.1"), got)
		require.Len(t, s.takeAsked(), 1)
	})
}

func TestDNSAsksOverTCPWhatIsTruncated(t *testing.T) {
	var many []dnsmessage.ResourceBody
	for i := range 200 {
		many = append(many, &dnsmessage.AResource{A: [4]byte{10, 1, 0, byte(i)}})
	}
	answer := func(q query, send func([]byte)) {
		if q.network == "udp" {
			send(q.pack(func(m *dnsmessage.Message) { m.Truncated = true }))
			return
		}
		send(q.with(60, many...))
	}
	inDNS(t, clients.DNSConfig{Order: clients.IPv4Only}, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		got, err := r.LookupAddrs(t.Context(), "a.test")
		require.NoError(t, err)
		require.Len(t, got, 200)
		require.Equal(t, []string{"udp 10.0.0.1:53 A a.test.", "tcp 10.0.0.1:53 A a.test."}, s.takeAsked())
	})
}

// A server that exceeds the announced size without setting the truncation bit.
func TestDNSAsksOverTCPWhatIsLargerThanAdvertised(t *testing.T) {
	var many []dnsmessage.ResourceBody
	for i := range 200 {
		many = append(many, &dnsmessage.AResource{A: [4]byte{10, 1, 0, byte(i)}})
	}
	for _, payload := range []int{0, -1} {
		cfg := clients.DNSConfig{Order: clients.IPv4Only, Payload: payload}
		answer := func(q query, send func([]byte)) { send(q.with(60, many...)) }
		inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
			got, err := r.LookupAddrs(t.Context(), "a.test")
			require.NoError(t, err)
			require.Len(t, got, 200)
			require.Equal(t, []string{"udp 10.0.0.1:53 A a.test.", "tcp 10.0.0.1:53 A a.test."}, s.takeAsked())
		})
	}
}

func TestDNSAsksByTCPAtOnceIfTold(t *testing.T) {
	answer := func(q query, send func([]byte)) { send(q.with(60, aRecord("10.1.0.1"))) }
	cfg := clients.DNSConfig{Order: clients.IPv4Only, UseTCP: true}
	inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		_, err := r.LookupAddrs(t.Context(), "a.test")
		require.NoError(t, err)
		require.Equal(t, []string{"tcp 10.0.0.1:53 A a.test."}, s.takeAsked())
	})
}

func TestDNSServersTakeTurnsIfTold(t *testing.T) {
	answer := func(q query, send func([]byte)) { send(q.with(0, aRecord("10.1.0.1"))) }
	for rotate, want := range map[bool]int{false: 6, true: 3} {
		cfg := clients.DNSConfig{Order: clients.IPv4Only, Servers: []string{"10.0.0.1", "10.0.0.2"}, Rotate: rotate}
		inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
			for range 6 {
				_, err := r.LookupAddrs(t.Context(), "a.test")
				require.NoError(t, err)
			}
			first := 0
			for _, q := range s.takeAsked() {
				if q == "udp 10.0.0.1:53 A a.test." {
					first++
				}
			}
			require.Equal(t, want, first)
		})
	}
}

// Concurrent lookups of one name take no longer than one, whatever the result.
func TestDNSFailuresAndUncachedAnswersAreShared(t *testing.T) {
	for what, answer := range map[string]func(q query, send func([]byte)){
		"no TTL": func(q query, send func([]byte)) { send(q.with(0, aRecord("10.1.0.1"))) },
		"failure": func(q query, send func([]byte)) {
			send(q.pack(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }))
		},
		"no such name, for now": func(q query, send func([]byte)) {
			send(q.pack(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError }))
		},
		"silence": func(query, func([]byte)) {},
	} {
		slow := func(q query, send func([]byte)) {
			time.Sleep(time.Second)
			answer(q, send)
		}
		cfg := clients.DNSConfig{Order: clients.IPv4Only, Attempts: 1, Timeout: 2 * time.Second}
		inDNS(t, cfg, slow, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
			start := time.Now()
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					_, err := r.LookupAddrs(t.Context(), "a.test.")
					require.Equal(t, what == "no TTL", err == nil, "%s: %v", what, err)
				})
			}
			all.Wait()
			require.LessOrEqual(t, time.Since(start), 2*time.Second, what)
			require.Len(t, s.takeAsked(), 1, what)
		})
	}
}

// The share of the first server is too short for its answer, and the second one fails.
func TestDNSFailureForLackOfTimeIsNotShared(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.server == "10.0.0.1:53" {
			go func() {
				time.Sleep(time.Second)
				send(q.with(60, aRecord("10.1.0.1")))
			}()
			return
		}
		send(q.pack(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }))
	}
	cfg := clients.DNSConfig{Order: clients.IPv4Only, Servers: []string{"10.0.0.1", "10.0.0.2"}}
	inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, _ *dnsServer) {
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		failed := make(chan error)
		go func() {
			_, err := r.LookupAddrs(short, "a.test.")
			failed <- err
		}()
		synctest.Wait()
		leading := make(chan error)
		go func() {
			got, err := r.LookupAddrs(t.Context(), "a.test.")
			require.Equal(t, addrs("10.1.0.1"), got)
			leading <- err
		}()
		require.ErrorContains(t, <-failed, "ServerFailure")
		require.NoError(t, short.Err())
		require.NoError(t, <-leading)
	})
}

func TestDNSGoesOnToTheNextServer(t *testing.T) {
	bad := map[string]func(q query, send func([]byte)){
		"silent": func(query, func([]byte)) {},
		"failing": func(q query, send func([]byte)) {
			send(q.pack(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }))
		},
		"refusing": func(q query, send func([]byte)) {
			send(q.pack(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeRefused }))
		},
		"misunderstanding, with and without EDNS": func(q query, send func([]byte)) { // c-ares 1025
			send(q.pack(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeFormatError }))
		},
		"cut off": func(q query, send func([]byte)) {
			b := q.with(60, aRecord("10.1.0.1"))
			send(b[:len(b)-2])
		},
		"lame": func(q query, send func([]byte)) {
			send(q.pack(func(m *dnsmessage.Message) {
				h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("test."), Class: dnsmessage.ClassINET, TTL: 60}
				m.Authorities = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.NSResource{NS: dnsmessage.MustNewName("ns.test.")}}}
			}))
		},
		"truncating over TCP": func(q query, send func([]byte)) {
			send(q.pack(func(m *dnsmessage.Message) { m.Truncated = true }))
		},
	}
	for name, answerBadly := range bad {
		answer := func(q query, send func([]byte)) {
			if q.server == "10.0.0.1:53" {
				answerBadly(q, send)
				return
			}
			send(q.with(60, aRecord("10.1.0.2")))
		}
		cfg := clients.DNSConfig{Order: clients.IPv4Only, Servers: []string{"10.0.0.1", "10.0.0.2:5353"}}
		inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
			start := time.Now()
			got, err := r.LookupAddrs(t.Context(), "a.test")
			require.NoError(t, err, name)
			require.Equal(t, addrs("10.1.0.2"), got)
			want := time.Duration(0)
			if name == "silent" {
				want = 5 * time.Second
			}
			require.Equal(t, want, time.Since(start), name)
			require.Contains(t, s.takeAsked(), "udp 10.0.0.2:5353 A a.test.")
		})
	}
}

func TestDNSSilentServerLeavesTimeForTheOthers(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.server == "10.0.0.3:53" {
			send(q.with(60, aRecord("10.1.0.3")))
		}
	}
	cfg := clients.DNSConfig{Order: clients.IPv4Only, Servers: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}}
	inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, _ *dnsServer) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		got, err := r.LookupAddrs(ctx, "a.test")
		require.NoError(t, err)
		require.Equal(t, addrs("10.1.0.3"), got)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestDNSGivesUpAfterItsAttempts(t *testing.T) {
	cfg := clients.DNSConfig{
		Order: clients.IPv4Only, Servers: []string{"10.0.0.1", "10.0.0.2"}, Search: []string{"a.test", "b.test"},
		Timeout: time.Second, Attempts: 3,
	}
	inDNS(t, cfg, func(query, func([]byte)) {}, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		start := time.Now()
		_, err := r.LookupAddrs(t.Context(), "a")
		require.Equal(t, 6*time.Second, time.Since(start), "the other domains would take as long again")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		require.True(t, dns.IsTimeout)
		require.Equal(t, "10.0.0.2:53", dns.Server)
		require.ErrorContains(t, err, "no answer in time")
		require.Len(t, s.takeAsked(), 6)
	})
}

func TestDNSAsksWithoutEDNSIfTheServerDoesNotKnowThat(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.edns {
			send(q.pack(func(m *dnsmessage.Message) { m.RCode, m.Questions = dnsmessage.RCodeFormatError, nil }))
			return
		}
		send(q.with(60, aRecord("10.1.0.1")))
	}
	for payload, asked := range map[int]int{0: 2, -1: 1} {
		inDNS(t, clients.DNSConfig{Order: clients.IPv4Only, Payload: payload}, answer,
			func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
				_, err := r.LookupAddrs(t.Context(), "a.test")
				require.NoError(t, err)
				require.Len(t, s.takeAsked(), asked)
			})
		refuse := func(q query, send func([]byte)) {
			send(q.pack(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeFormatError }))
		}
		inDNS(t, clients.DNSConfig{Order: clients.IPv4Only, Payload: payload, Attempts: 1}, refuse,
			func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
				_, err := r.LookupAddrs(t.Context(), "a.test")
				require.ErrorContains(t, err, "FormatError")
				require.Len(t, s.takeAsked(), asked, "nothing is asked twice")
			})
	}
}

func TestDNSFollowsAliasesAcrossAnswers(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.name == "a.test." {
			send(q.with(30, cnameRecord("b.test.")))
		} else {
			send(q.with(60, aRecord("10.1.0.1")))
		}
	}
	inDNS(t, clients.DNSConfig{Order: clients.IPv4Only}, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		for _, asked := range []int{2, 0} {
			got, err := r.LookupAddrs(t.Context(), "a.test")
			require.NoError(t, err)
			require.Equal(t, addrs("10.1.0.1"), got)
			require.Len(t, s.takeAsked(), asked)
		}
		time.Sleep(30 * time.Second)
		_, err := r.LookupAddrs(t.Context(), "a.test")
		require.NoError(t, err)
		require.Len(t, s.takeAsked(), 2, "the alias holds for less than the address")
	})
}

func TestDNSAliasesThatLeadNowhereFail(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.name == "a.test." {
			send(q.with(60, cnameRecord("b.test.")))
		} else {
			send(q.with(60, cnameRecord("a.test.")))
		}
	}
	inDNS(t, clients.DNSConfig{Order: clients.IPv4Only}, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		_, err := r.LookupAddrs(t.Context(), "a.test")
		require.ErrorContains(t, err, "CNAME")
		require.LessOrEqual(t, len(s.takeAsked()), 16)
	})
}

func TestDNSDoesNotWaitLongForIPv6WhenItHasIPv4(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.typ == dnsmessage.TypeA {
			send(q.with(60, aRecord("127.0.0.1"))) // every machine has a route to it
		}
	}
	inDNS(t, clients.DNSConfig{}, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		start := time.Now()
		got, err := r.LookupAddrs(t.Context(), "a.test")
		require.NoError(t, err)
		require.Equal(t, addrs("127.0.0.1"), got)
		require.Equal(t, 250*time.Millisecond, time.Since(start))
	})
}

// A machine without IPv4 has no use for an answer with IPv4 addresses alone.
func TestDNSWaitsForIPv6WhereIPv4HasNoRoute(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.typ == dnsmessage.TypeA {
			send(q.with(3600, aRecord("10.1.0.1")))
			return
		}
		time.AfterFunc(time.Second, func() { send(q.with(60, aaaaRecord("2001:db8::1"))) })
	}
	inDNS(t, clients.DNSConfig{}, answer, func(t *testing.T, r *clients.DNSResolver, _ *dnsServer) {
		r.SetHasRoute(func(a netip.Addr) bool { return !a.Is4() })
		got, err := r.LookupAddrs(t.Context(), "a.test")
		require.NoError(t, err)
		require.Equal(t, addrs("2001:db8::1", "10.1.0.1"), got)
	})
}

// Most machines reach IPv4 and many no IPv6, so an answer with IPv6 addresses alone may be useless.
func TestDNSWaitsForIPv4WhenItHasIPv6(t *testing.T) {
	lost := 0
	answer := func(q query, send func([]byte)) {
		switch {
		case q.typ == dnsmessage.TypeAAAA:
			send(q.with(3600, aaaaRecord("2001:db8::1")))
		case lost > 0:
			lost--
		default:
			time.AfterFunc(time.Second, func() { send(q.with(60, aRecord("10.1.0.1"))) })
		}
	}
	for _, order := range []clients.AddrOrder{clients.IPv6First, clients.IPv4First} {
		inDNS(t, clients.DNSConfig{Order: order}, answer, func(t *testing.T, r *clients.DNSResolver, _ *dnsServer) {
			for range 3 { // from the second on, IPv6 is in the cache
				lost = 1
				start := time.Now()
				got, err := r.LookupAddrs(t.Context(), "a.test")
				require.NoError(t, err)
				require.ElementsMatch(t, addrs("2001:db8::1", "10.1.0.1"), got)
				require.Equal(t, 6*time.Second, time.Since(start), "one timeout and a slow answer")
				time.Sleep(2 * time.Minute)
			}
		})
	}
}

// The patience applies to callers that already have addresses.
func TestDNSWaitsForOneFamilyWhileTheOtherHasNoAddress(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.typ == dnsmessage.TypeA {
			time.AfterFunc(time.Second, func() { send(q.with(60, aRecord("10.1.0.1"))) })
		} else {
			send(q.none(dnsmessage.RCodeSuccess, 60))
		}
	}
	inDNS(t, clients.DNSConfig{}, answer, func(t *testing.T, r *clients.DNSResolver, _ *dnsServer) {
		got, err := r.LookupAddrs(t.Context(), "a.test")
		require.NoError(t, err)
		require.Equal(t, addrs("10.1.0.1"), got)
	})
}

func TestDNSFailureOfOneFamilyIsNotAbsence(t *testing.T) {
	answer := func(q query, send func([]byte)) {
		if q.typ == dnsmessage.TypeA {
			send(q.pack(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }))
		} else {
			send(q.none(dnsmessage.RCodeSuccess, 60))
		}
	}
	inDNS(t, clients.DNSConfig{}, answer, func(t *testing.T, r *clients.DNSResolver, _ *dnsServer) {
		_, err := r.LookupAddrs(t.Context(), "a.test")
		require.ErrorContains(t, err, "ServerFailure")
	})
}

func TestG2DNSCancelledLookupReturnsTheCauseAndLeavesNothing(t *testing.T) {
	inDNS(t, clients.DNSConfig{}, func(query, func([]byte)) {}, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		start := time.Now()
		_, err := r.LookupAddrs(ctx, "a.test")
		require.ErrorIs(t, err, why)
		require.Equal(t, time.Second, time.Since(start))
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		require.Equal(t, "a.test", dns.Name)
	})
}

func TestDNSDoesNotAskForSpecialNames(t *testing.T) {
	inDNS(t, clients.DNSConfig{}, func(query, func([]byte)) {}, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		for host, want := range map[string][]netip.Addr{
			"localhost": addrs("::1", "127.0.0.1"), "a.LocalHost.": addrs("::1", "127.0.0.1"),
			"192.0.2.1": addrs("192.0.2.1"), "fe80::1%eth0": addrs("fe80::1%eth0"),
		} {
			got, err := r.LookupAddrs(t.Context(), host)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		for _, host := range []string{"abc.onion", "", "a..b", "a b"} {
			_, err := r.LookupAddrs(t.Context(), host)
			requireNotFound(t, err)
		}
		require.Empty(t, s.takeAsked())
	})
}

func TestDNSEncodesInternationalNames(t *testing.T) {
	answer := func(q query, send func([]byte)) { send(q.with(60, aRecord("10.1.0.1"))) }
	inDNS(t, clients.DNSConfig{Order: clients.IPv4Only}, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		_, err := r.LookupAddrs(t.Context(), "Bücher.test")
		require.NoError(t, err)
		require.Equal(t, []string{"udp 10.0.0.1:53 A xn--bcher-kva.test."}, s.takeAsked())
	})
}

func TestDNSDoesNotSearchANameWithAFinalDotOfAnyScript(t *testing.T) {
	answer := func(q query, send func([]byte)) { send(q.none(dnsmessage.RCodeNameError, 60)) }
	cfg := clients.DNSConfig{Order: clients.IPv4Only, Search: []string{"a.test"}}
	inDNS(t, cfg, answer, func(t *testing.T, r *clients.DNSResolver, s *dnsServer) {
		for _, dot := range []string{".", "\u3002", "\uff0e", "\uff61"} {
			_, err := r.LookupAddrs(t.Context(), "x"+dot)
			require.ErrorContains(t, err, "no such host")
			require.Equal(t, []string{"udp 10.0.0.1:53 A x."}, s.takeAsked(), "%q", dot)
			r.Forget()
		}
	})
}

func TestDNSTellsWhyItsDialFailed(t *testing.T) {
	cause := errors.New("no route to that server")
	r, err := clients.NewDNSResolver(&clients.DNSConfig{
		Servers: []string{"10.0.0.1"},
		Dial:    func(context.Context, string, string) (net.Conn, error) { return nil, cause },
	})
	require.NoError(t, err)
	_, err = r.LookupAddrs(t.Context(), "a.test")
	require.ErrorContains(t, err, cause.Error())
}

func TestDNSQueryThatCannotBeSentIsNoAbsence(t *testing.T) {
	for _, useTCP := range []bool{false, true} {
		r, err := clients.NewDNSResolver(&clients.DNSConfig{
			Servers: []string{"10.0.0.1"}, UseTCP: useTCP,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				return near, far.Close()
			},
		})
		require.NoError(t, err)
		_, err = r.LookupAddrs(t.Context(), "a.test")
		require.ErrorIs(t, err, io.ErrClosedPipe)
	}
}

func TestG16DNSPanicOfDialIsAnError(t *testing.T) {
	r, err := clients.NewDNSResolver(&clients.DNSConfig{
		Servers: []string{"10.0.0.1"},
		Dial:    func(context.Context, string, string) (net.Conn, error) { panic("user code") },
	})
	require.NoError(t, err)
	_, err = r.LookupAddrs(t.Context(), "a.test")
	require.ErrorContains(t, err, "user code")
}

// One family is queried in the goroutine of the lookup, which the test ends, the other in a goroutine of the resolver.
func TestG16DNSGoexitOfDialIsNoAbsence(t *testing.T) {
	server := &dnsServer{answer: func(q query, send func([]byte)) { send(q.none(dnsmessage.RCodeNameError, 60)) }}
	told := 0
	for round := range 10 {
		var dials atomic.Int32
		r, err := clients.NewDNSResolver(&clients.DNSConfig{
			Servers: []string{"10.0.0.1"},
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if int(dials.Add(1)) == 1+round%2 {
					runtime.Goexit()
				}
				return server.dial(ctx, network, address)
			},
		})
		require.NoError(t, err)
		returned := make(chan error, 1)
		go func() {
			defer close(returned)
			_, err := r.LookupAddrs(context.Background(), "a.test")
			returned <- err
		}()
		if err, ok := <-returned; ok {
			require.ErrorAs(t, err, new(*chanio.PanicError))
			told++
		}
	}
	require.NotZero(t, told)
	server.serving.Wait()
}

// stubborn is a connection that panics when the time to read from it is over.
type stubborn struct {
	net.Conn
	over chan struct{}
}

func (s stubborn) Write(p []byte) (int, error) { return len(p), nil }
func (s stubborn) Close() error                { return nil }

func (s stubborn) Read([]byte) (int, error) {
	<-s.over
	return 0, os.ErrDeadlineExceeded
}

func (s stubborn) SetDeadline(time.Time) error {
	close(s.over)
	panic("boom")
}

func TestG16DNSPanicOfAConnIsNoMoreThanATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := clients.NewDNSResolver(&clients.DNSConfig{
			Servers: []string{"10.0.0.1"},
			Dial: func(context.Context, string, string) (net.Conn, error) {
				return stubborn{over: make(chan struct{})}, nil
			},
		})
		require.NoError(t, err)
		_, err = r.LookupAddrs(t.Context(), "a.test")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}

func TestDNSConfigSaysWhatIsWrongWithIt(t *testing.T) {
	_, err := clients.NewDNSResolver(&clients.DNSConfig{Servers: []string{"dns.example"}})
	require.ErrorContains(t, err, `the server "dns.example" is not an IP address`)
	_, err = clients.NewDNSResolver(&clients.DNSConfig{Search: []string{"a..b"}})
	require.ErrorContains(t, err, `the search domain "a..b"`)
	_, err = clients.NewDNSResolver(&clients.DNSConfig{Payload: 65535})
	require.NoError(t, err)
	require.Panics(t, func() { _, _ = clients.NewDNSResolver(&clients.DNSConfig{Payload: 65536}) })
	require.Panics(t, func() { _, _ = clients.NewDNSResolver(&clients.DNSConfig{Order: 4}) })
}

// The lookup of the other family ends before the goroutine that asked does.
func TestG16DNSLookUpLeavesNothingBehindAfterGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := make(chan struct{})
		var ended atomic.Bool
		r, err := clients.NewDNSResolver(&clients.DNSConfig{
			Servers: []string{"10.0.0.1"}, Attempts: 1,
			Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if strings.Contains(string(debug.Stack()), "LookupAddrs(") {
					<-both
					runtime.Goexit()
				}
				close(both)
				<-ctx.Done()
				time.Sleep(time.Second)
				ended.Store(true)
				return nil, ctx.Err()
			},
		})
		require.NoError(t, err)
		start := time.Now()
		var caller sync.WaitGroup
		caller.Go(func() { _, _ = r.LookupAddrs(context.Background(), "a.test.") })
		caller.Wait()
		require.True(t, ended.Load())
		require.Equal(t, time.Second, time.Since(start), "its ctx has ended at once")
	})
}

// What a Dial does with its ctx, such as waiting for it, ends with the exchange and not with the timeout.
func TestG11DNSCtxOfDialEndsWithTheExchange(t *testing.T) {
	answer := func(q query, send func([]byte)) { send(q.with(60, aRecord("10.1.0.1"))) }
	synctest.Test(t, func(t *testing.T) {
		s := &dnsServer{answer: answer}
		var given context.Context
		r, err := clients.NewDNSResolver(&clients.DNSConfig{
			Order: clients.IPv4Only, Servers: []string{"10.0.0.1"},
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				given = ctx
				return s.dial(ctx, network, address)
			},
		})
		require.NoError(t, err)
		_, err = r.LookupAddrs(t.Context(), "a.test")
		require.NoError(t, err)
		synctest.Wait()
		require.ErrorIs(t, given.Err(), context.Canceled)
		s.serving.Wait()
	})
}
