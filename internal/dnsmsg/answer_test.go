package dnsmsg

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// reply builds an answer to the question for the A records of name.
func reply(t testing.TB, id uint16, name string, change func(m *dnsmessage.Message)) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header: dnsmessage.Header{ID: id, Response: true},
		Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
		}},
	}
	if change != nil {
		change(&m)
	}
	b, err := m.Pack()
	require.NoError(t, err)
	return b
}

func header(name string, ttl uint32) dnsmessage.ResourceHeader {
	return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl}
}

func a(name string, ttl uint32, ip byte) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name, ttl), Body: &dnsmessage.AResource{A: [4]byte{10, 0, 0, ip}}}
}

func cname(name, target string, ttl uint32) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name, ttl), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target)}}
}

func soa(ttl, minimum uint32) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header("test.", ttl), Body: &dnsmessage.SOAResource{
		NS: dnsmessage.MustNewName("ns.test."), MBox: dnsmessage.MustNewName("root.test."), MinTTL: minimum,
	}}
}

func TestAnswerHasAddressesInOrderWithTheSmallestTTL(t *testing.T) {
	msg := reply(t, 7, "A.test.", func(m *dnsmessage.Message) {
		m.Answers = []dnsmessage.Resource{
			a("other.test.", 1, 9), cname("a.TEST.", "b.test.", 300), a("b.test.", 60, 2), a("b.test.", 90, 1),
		}
	})
	got, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
	require.NoError(t, err)
	require.Equal(t, Answer{
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")}, TTL: time.Minute,
	}, got)
}

func TestAnswerToAnotherQuestionIsIgnored(t *testing.T) {
	good := reply(t, 7, "a.test.", nil)
	for name, msg := range map[string][]byte{
		"nothing":      nil,
		"garbage":      []byte("not a message of DNS at all"),
		"another id":   reply(t, 8, "a.test.", nil),
		"another name": reply(t, 7, "b.test.", nil),
		"a question":   reply(t, 7, "a.test.", func(m *dnsmessage.Message) { m.Response = false }),
		"two questions": reply(t, 7, "a.test.", func(m *dnsmessage.Message) {
			m.Questions = append(m.Questions, m.Questions[0])
		}),
		"no question":      reply(t, 7, "a.test.", func(m *dnsmessage.Message) { m.Questions = nil }),
		"another type":     reply(t, 7, "a.test.", func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA }),
		"another class":    reply(t, 7, "a.test.", func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }),
		"half its header":  good[:7],
		"half its name":    good[:14],
		"header, no names": good[:12],
	} {
		_, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
		require.ErrorIs(t, err, ErrOther, name)
	}
}

func TestAnswerCutShortIsMalformed(t *testing.T) {
	question := len(reply(t, 7, "a.test.", func(*dnsmessage.Message) {}))
	txt := dnsmessage.Resource{Header: header("a.test.", 1), Body: &dnsmessage.TXTResource{TXT: []string{"text"}}}
	for what, change := range map[string]func(m *dnsmessage.Message){
		"an address":            func(m *dnsmessage.Message) { m.Answers = []dnsmessage.Resource{a("a.test.", 1, 1)} },
		"an alias":              func(m *dnsmessage.Message) { m.Answers = []dnsmessage.Resource{cname("a.test.", "b.test.", 1)} },
		"what nobody asked for": func(m *dnsmessage.Message) { m.Answers = []dnsmessage.Resource{txt} },
		"an authority":          func(m *dnsmessage.Message) { m.Authorities = []dnsmessage.Resource{soa(1, 1)} },
		"an authority's text":   func(m *dnsmessage.Message) { m.Authorities = []dnsmessage.Resource{txt} },
	} {
		msg := reply(t, 7, "a.test.", change)
		for n := question; n < len(msg); n++ {
			_, err := Parse(msg[:n], 7, "a.test.", dnsmessage.TypeA)
			require.ErrorContains(t, err, "malformed answer", "%s after %d bytes", what, n)
			require.NotErrorIs(t, err, ErrOther)
		}
	}
}

// A record whose length does not fit its type; the length is in the two bytes before the data.
func TestARecordOfAnotherLengthIsMalformed(t *testing.T) {
	const data = len("\x0a\x00\x00\x01")
	msg := reply(t, 7, "a.test.", func(m *dnsmessage.Message) { m.Answers = []dnsmessage.Resource{a("a.test.", 1, 1)} })
	for _, length := range []byte{0, 3, 5, 16} {
		changed := append(msg[:len(msg)-data:len(msg)-data], make([]byte, length)...)
		changed[len(msg)-data-1] = length
		_, err := Parse(changed, 7, "a.test.", dnsmessage.TypeA)
		require.ErrorIs(t, err, errLength, "A of %d bytes", length)
	}
	for what, change := range map[string]func(m *dnsmessage.Message){
		"CNAME": func(m *dnsmessage.Message) { m.Answers = []dnsmessage.Resource{cname("a.test.", "b.", 1)} },
		"SOA":   func(m *dnsmessage.Message) { m.Authorities = []dnsmessage.Resource{soa(1, 1)} },
	} {
		msg := reply(t, 7, "a.test.", change)
		msg[len(msg)-int(lengthOfTheOnly(t, msg))-1]++ // one byte more than the record has
		_, err := Parse(append(msg, 0), 7, "a.test.", dnsmessage.TypeA)
		require.ErrorIs(t, err, errLength, what)
	}
}

// lengthOfTheOnly returns the length of the one record of an answer.
func lengthOfTheOnly(t testing.TB, msg []byte) uint16 {
	var p dnsmessage.Parser
	_, err := p.Start(msg)
	require.NoError(t, err)
	require.NoError(t, p.SkipAllQuestions())
	h, err := p.AnswerHeader()
	if err == dnsmessage.ErrSectionDone {
		h, err = p.AuthorityHeader()
	}
	require.NoError(t, err)
	return h.Length
}

func TestAReferralToOtherServersIsLame(t *testing.T) {
	ns := dnsmessage.Resource{Header: header("test.", 60), Body: &dnsmessage.NSResource{NS: dnsmessage.MustNewName("ns.test.")}}
	for what, c := range map[string]struct {
		h         dnsmessage.Header
		authority []dnsmessage.Resource
		want      error
	}{
		"a referral":                      {dnsmessage.Header{}, []dnsmessage.Resource{ns}, ErrLame},
		"a referral of a resolver":        {dnsmessage.Header{RecursionAvailable: true}, []dnsmessage.Resource{ns}, ErrLame},
		"nothing, no recursion":           {dnsmessage.Header{}, nil, ErrLame},
		"no such record, from a resolver": {dnsmessage.Header{RecursionAvailable: true}, nil, nil},
		"no such record, by the zone":     {dnsmessage.Header{Authoritative: true}, []dnsmessage.Resource{ns}, nil},
		"no such record, with its SOA":    {dnsmessage.Header{}, []dnsmessage.Resource{ns, soa(1, 1)}, nil},
		"no such name, without recursion": {dnsmessage.Header{RCode: dnsmessage.RCodeNameError}, nil, nil},
	} {
		msg := reply(t, 7, "a.test.", func(m *dnsmessage.Message) {
			c.h.ID, c.h.Response = 7, true
			m.Header, m.Authorities = c.h, c.authority
		})
		_, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
		require.ErrorIs(t, err, c.want, what)
	}
}

func TestAnswerNamesTheAliasThatIsToBeAsked(t *testing.T) {
	msg := reply(t, 7, "a.test.", func(m *dnsmessage.Message) {
		m.Answers = []dnsmessage.Resource{cname("a.test.", "b.test.", 30), cname("b.test.", "c.test.", 20)}
	})
	got, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
	require.NoError(t, err)
	require.Equal(t, Answer{Alias: "c.test.", TTL: 20 * time.Second}, got)
}

func TestAnswerWithALoopOfAliasesFails(t *testing.T) {
	msg := reply(t, 7, "a.test.", func(m *dnsmessage.Message) {
		m.Answers = []dnsmessage.Resource{cname("a.test.", "b.test.", 30), cname("b.test.", "a.test.", 20)}
	})
	_, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
	require.ErrorIs(t, err, ErrAliases)
}

func TestAbsenceHoldsAsLongAsTheZoneSays(t *testing.T) {
	for _, c := range []struct {
		authority []dnsmessage.Resource
		ttl       time.Duration
	}{
		{nil, 0},
		{[]dnsmessage.Resource{soa(60, 300)}, time.Minute},
		{[]dnsmessage.Resource{soa(600, 300)}, 5 * time.Minute},
		{[]dnsmessage.Resource{soa(1<<31, 300)}, 0},
	} {
		msg := reply(t, 7, "a.test.", func(m *dnsmessage.Message) {
			m.RCode, m.Authorities = dnsmessage.RCodeNameError, c.authority
		})
		got, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
		require.NoError(t, err)
		require.Equal(t, Answer{RCode: dnsmessage.RCodeNameError, TTL: c.ttl}, got)
	}
}

func TestNameErrorCountsMoreThanAddresses(t *testing.T) {
	msg := reply(t, 7, "a.test.", func(m *dnsmessage.Message) {
		m.RCode, m.Answers = dnsmessage.RCodeNameError, []dnsmessage.Resource{a("a.test.", 60, 1)}
	})
	got, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
	require.NoError(t, err)
	require.Equal(t, Answer{RCode: dnsmessage.RCodeNameError}, got)
}

func TestAnswerSaysThatItIsTruncatedOrRefused(t *testing.T) {
	msg := reply(t, 7, "a.test.", func(m *dnsmessage.Message) { m.Truncated = true })
	got, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
	require.NoError(t, err)
	require.True(t, got.Truncated)

	msg = reply(t, 7, "a.test.", func(m *dnsmessage.Message) { m.RCode, m.Questions = dnsmessage.RCodeFormatError, nil })
	got, err = Parse(msg, 7, "a.test.", dnsmessage.TypeA)
	require.NoError(t, err)
	require.Equal(t, Answer{RCode: dnsmessage.RCodeFormatError}, got)
}

func TestQueryHasTheBytesOfRFC1035(t *testing.T) {
	got, err := Query(0x1234, "a.test.", dnsmessage.TypeAAAA, 0)
	require.NoError(t, err)
	require.Equal(t, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"+"\x01a\x04test\x00"+"\x00\x1c\x00\x01", string(got))

	got, err = Query(0x1234, "a.test.", dnsmessage.TypeA, 1232)
	require.NoError(t, err)
	require.Equal(t, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"+"\x01a\x04test\x00"+"\x00\x01\x00\x01"+
		"\x00"+"\x00\x29"+"\x04\xd0"+"\x00\x00\x00\x00"+"\x00\x00", string(got))

	_, err = Query(1, strings.Repeat("long.", 60), dnsmessage.TypeA, 0)
	require.ErrorContains(t, err, "255")
}

func TestLowerLeavesOtherLettersAlone(t *testing.T) {
	require.Equal(t, "abc-1.É.", Lower("AbC-1.É."))
	require.Equal(t, "abc.", Lower("abc."))
}

// FuzzParse checks that no message makes Parse panic, loop, or return more than the message can hold.
func FuzzParse(f *testing.F) {
	f.Add(reply(f, 7, "a.test.", func(m *dnsmessage.Message) {
		m.Answers = []dnsmessage.Resource{cname("a.test.", "b.test.", 300), a("b.test.", 60, 2)}
		m.Authorities = []dnsmessage.Resource{soa(60, 300)}
	}))
	f.Fuzz(func(t *testing.T, msg []byte) {
		got, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
		if err != nil {
			require.Zero(t, got)
			return
		}
		require.LessOrEqual(t, 14*len(got.Addrs), len(msg))
		require.GreaterOrEqual(t, got.TTL, time.Duration(0))
		require.LessOrEqual(t, got.TTL, forever)
	})
}

// The names of the record have the form of names, but one is a pointer to itself.
func TestAnSOAWithANameWithoutEndIsMalformed(t *testing.T) {
	msg := reply(t, 7, "a.test.", func(m *dnsmessage.Message) { m.Authorities = []dnsmessage.Resource{soa(60, 60)} })
	at := len(msg) - int(lengthOfTheOnly(t, msg))
	msg = append(msg[:at], 0xc0, byte(at), 0)
	msg = append(msg, make([]byte, 20)...)
	msg[at-1] = 2 + 1 + 20
	_, err := Parse(msg, 7, "a.test.", dnsmessage.TypeA)
	require.Error(t, err)
}

func TestANameThatDNSCannotCarryIsNoQuestion(t *testing.T) {
	for _, name := range []string{"a..b.", "no.final.dot", strings.Repeat("x", 64) + ".", strings.Repeat("x.", 150)} {
		for _, payload := range []uint16{0, 1232} {
			_, err := Query(1, name, dnsmessage.TypeA, payload)
			require.Error(t, err, name)
		}
	}
}
