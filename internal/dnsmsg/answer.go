package dnsmsg

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Answer is what a server says about the addresses of a name.
type Answer struct {
	RCode     dnsmessage.RCode
	Truncated bool          // there is more than fits: ask again over a stream; nothing else is set
	Addrs     []netip.Addr  // in the server's order
	Alias     string        // without addresses: where the aliases that were followed ended, to be asked for; or ""
	TTL       time.Duration // how long this holds: the aliases' and the addresses' or the negative one; 0: not at all
}

// MaxAliases is how many aliases are followed within one answer.
const MaxAliases = 16

var (
	// ErrOther means that a message does not answer the question: it is late, a guess of a third party, or no message.
	ErrOther = errors.New("not an answer to the question")

	// ErrAliases means that the aliases of a name lead nowhere.
	ErrAliases = errors.New("its aliases (CNAME) form a loop or a chain that is too long")

	// ErrLame means that a server does not know the name and refers to others, which a resolver is not to be asked for.
	ErrLame = errors.New("lame server: it refers to other servers in place of an answer")

	errLength = errors.New("the length of a record does not fit its type")
)

// Parse parses the answer to the question with this id, name and type. If msg answers another question, the error is
// ErrOther and the caller must wait for another message. Other errors mean that the answer is malformed, that its
// aliases lead nowhere (ErrAliases), or that the server is lame (ErrLame).
func Parse(msg []byte, id uint16, name string, typ dnsmessage.Type) (Answer, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.ID != id || !h.Response || !sameQuestion(&p, h, name, typ) {
		return Answer{}, ErrOther
	}
	a := Answer{RCode: h.RCode, Truncated: h.Truncated}
	if a.Truncated || a.RCode != dnsmessage.RCodeSuccess && a.RCode != dnsmessage.RCodeNameError {
		return a, nil
	}
	records := records{aliases: map[string]alias{}, addrs: map[string]addrs{}}
	if err := records.read(&p, typ); err != nil {
		return Answer{}, fmt.Errorf("malformed answer: %w", err)
	}
	if err := records.follow(&a, Lower(name)); err != nil {
		return Answer{}, err
	}
	if a.RCode == dnsmessage.RCodeNameError { // it counts more than addresses, as in the net package
		a.Addrs = nil
	}
	if len(a.Addrs) > 0 || a.Alias != "" && a.RCode == dnsmessage.RCodeSuccess {
		return a, nil
	}
	authority, err := readAuthority(&p)
	switch {
	case err != nil:
		return Answer{}, fmt.Errorf("malformed answer: %w", err)
	case a.RCode == dnsmessage.RCodeSuccess && !h.Authoritative && !authority.soa && (authority.ns || !h.RecursionAvailable):
		return Answer{}, ErrLame
	}
	a.TTL = min(a.TTL, authority.ttl)
	return a, nil
}

// sameQuestion reads the questions and reports whether there is exactly one, the one that was asked. A server that did
// not understand the question need not repeat it.
func sameQuestion(p *dnsmessage.Parser, h dnsmessage.Header, name string, typ dnsmessage.Type) bool {
	q, err := p.Question()
	if err == dnsmessage.ErrSectionDone {
		return h.RCode == dnsmessage.RCodeFormatError || h.RCode == dnsmessage.RCodeNotImplemented
	}
	if err != nil || q.Type != typ || q.Class != dnsmessage.ClassINET || Lower(q.Name.String()) != Lower(name) {
		return false
	}
	_, err = p.Question()
	return err == dnsmessage.ErrSectionDone
}

// records is the answer section, by the owner's name in lower case.
type records struct {
	aliases map[string]alias
	addrs   map[string]addrs
}

type alias struct {
	target string
	ttl    time.Duration
}

type addrs struct {
	list []netip.Addr
	ttl  time.Duration
}

func (r *records) read(p *dnsmessage.Parser, typ dnsmessage.Type) error {
	for {
		h, err := p.AnswerHeader()
		if err == dnsmessage.ErrSectionDone {
			return nil
		}
		if err != nil {
			return err
		}
		owner := Lower(h.Name.String())
		switch {
		case h.Class == dnsmessage.ClassINET && h.Type == dnsmessage.TypeCNAME:
			c, err := readAlias(p)
			if err != nil {
				return err
			}
			r.aliases[owner] = alias{Lower(c.CNAME.String()), seconds(h.TTL)}
		case h.Class == dnsmessage.ClassINET && h.Type == typ:
			addr, err := readAddr(p, h)
			if err != nil {
				return err
			}
			r.add(owner, addr, seconds(h.TTL))
		default:
			if err := p.SkipAnswer(); err != nil {
				return err
			}
		}
	}
}

func (r *records) add(owner string, addr netip.Addr, ttl time.Duration) {
	of, known := r.addrs[owner]
	if known {
		ttl = min(ttl, of.ttl)
	}
	r.addrs[owner] = addrs{append(of.list, addr), ttl}
}

// The parser of x/net skips what a record has beyond the fields of its type, so lengths are checked here.

func readAddr(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) (netip.Addr, error) {
	switch {
	case h.Type == dnsmessage.TypeA && h.Length == 4:
		r, err := p.AResource()
		return netip.AddrFrom4(r.A), err
	case h.Type == dnsmessage.TypeAAAA && h.Length == 16:
		r, err := p.AAAAResource()
		return netip.AddrFrom16(r.AAAA), err
	}
	return netip.Addr{}, errLength
}

func readAlias(p *dnsmessage.Parser) (dnsmessage.CNAMEResource, error) {
	if rest, ok := afterName(data(p)); !ok || len(rest) > 0 {
		return dnsmessage.CNAMEResource{}, errLength
	}
	return p.CNAMEResource()
}

// data returns the bytes of the record whose header p has read, and leaves p before them.
func data(p *dnsmessage.Parser) []byte {
	ahead := *p
	r, err := ahead.UnknownResource()
	if err != nil {
		return nil
	}
	return r.Data
}

// afterName returns what follows a name at the beginning of b, which may end in a pointer.
func afterName(b []byte) (rest []byte, ok bool) {
	for len(b) > 0 {
		switch n := int(b[0]); {
		case n == 0:
			return b[1:], true
		case n >= 0xc0:
			return b[min(2, len(b)):], len(b) >= 2
		case n > 63 || 1+n > len(b):
			return nil, false
		default:
			b = b[1+n:]
		}
	}
	return nil, false
}

// follow goes from name along the aliases to the addresses, if there are any.
func (r *records) follow(a *Answer, name string) error {
	a.TTL = forever
	for hops := 0; ; hops++ {
		if of, ok := r.addrs[name]; ok {
			a.Addrs, a.Alias, a.TTL = of.list, "", min(a.TTL, of.ttl)
			return nil
		}
		next, ok := r.aliases[name]
		if !ok {
			return nil
		}
		if hops == MaxAliases {
			return ErrAliases
		}
		name, a.Alias, a.TTL = next.target, next.target, min(a.TTL, next.ttl)
	}
}

// forever is more than a TTL can be.
const forever = 1 << 31 * time.Second

// authority is what the second section of an answer says.
type authority struct {
	ns, soa bool          // which records there are
	ttl     time.Duration // how long the absence of a record holds
}

// readAuthority reads the second section. The absence of a record holds for the lesser of the TTL and the minimum of the
// zone's SOA record (RFC 2308, section 5). Without one it does not hold at all.
func readAuthority(p *dnsmessage.Parser) (a authority, err error) {
	for {
		h, err := p.AuthorityHeader()
		if err == dnsmessage.ErrSectionDone {
			return a, nil
		}
		if err != nil {
			return a, err
		}
		if h.Type == dnsmessage.TypeSOA && h.Class == dnsmessage.ClassINET {
			a.soa = true
			a.ttl, err = readSOA(p, h)
			return a, err
		}
		a.ns = a.ns || h.Type == dnsmessage.TypeNS
		if err := p.SkipAuthority(); err != nil {
			return a, err
		}
	}
}

func readSOA(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) (time.Duration, error) {
	rest, ok := afterName(data(p))
	if ok {
		rest, ok = afterName(rest)
	}
	if !ok || len(rest) != 20 {
		return 0, errLength
	}
	soa, err := p.SOAResource()
	return min(seconds(h.TTL), seconds(soa.MinTTL)), err
}

// seconds is a TTL. One with the highest bit set counts as 0 (RFC 2181, section 8).
func seconds(ttl uint32) time.Duration {
	if ttl >= 1<<31 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

// Lower returns name with the letters of ASCII in lower case, as DNS compares names (RFC 4343).
func Lower(name string) string {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			b := []byte(name)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return name
}
