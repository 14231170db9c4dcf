// Package message is a codec for DNS messages (RFC 1035), with compressed names.
package message

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/weir-go/weir/codec"
)

// Message is a query or an answer.
type Message struct {
	ID        uint16
	Flags     Flags
	Questions []Question
	Answers   []Record
	Authority []Record
	More      []Record // additional records
}

// Flags are the bits after the ID; see RFC 1035, section 4.1.1.
type Flags struct {
	Response  bool
	Opcode    uint8
	Authority bool // the answer is authoritative
	Truncated bool
	Recurse   bool // recursion is desired
	Recursion bool // recursion is available
	Reserved  uint8
	Code      uint8 // 0: no error, 3: no such name
}

// Question is what is asked.
type Question struct {
	Name  string // with a final dot
	Type  uint16
	Class uint16
}

// Record is a resource record. Data has the bytes as sent, but with names decompressed in the types of RFC 1035 that
// may compress them.
type Record struct {
	Name  string
	Type  uint16
	Class uint16
	TTL   uint32
	Data  []byte
}

// Some types of RFC 1035 and RFC 3596, and the class of the Internet.
const (
	TypeA     uint16 = 1
	TypeNS    uint16 = 2
	TypeCNAME uint16 = 5
	TypePTR   uint16 = 12
	TypeMX    uint16 = 15
	TypeTXT   uint16 = 16
	TypeAAAA  uint16 = 28

	ClassIN uint16 = 1
)

// A returns an address record.
func A(name string, ttl uint32, addr netip.Addr) Record {
	r := Record{Name: name, Type: TypeA, Class: ClassIN, TTL: ttl, Data: addr.AsSlice()}
	if addr.Is6() {
		r.Type = TypeAAAA
	}
	return r
}

// Codec is one message that fills the enclosing frame: a datagram, or the body of [Framed]. A query for the address of
// a.b:
//
//	+-------+-------+-------+-------+-------+-------+----+----+----+----+----+-------+-------+
//	| 00 07 | 01 00 | 00 01 | 00 00 | 00 00 | 00 00 | 01 | 61 | 01 | 62 | 00 | 00 01 | 00 01 |
//	+-------+-------+-------+-------+-------+-------+----+----+----+----+----+-------+-------+
//	  ID      flags   counts of the four sections     name: 1 a 1 b, end       A       IN
var Codec codec.Codec[Message] = message{}

// Framed is a message with its length before it, as sent over TCP (RFC 1035, section 4.2.2).
var Framed = codec.Prefixed(codec.Uint16, Codec)

var flags = codec.Bits(codec.Uint16,
	codec.BitFlag("response", func(f *Flags) *bool { return &f.Response }),
	codec.BitField("opcode", 4, func(f *Flags) *uint8 { return &f.Opcode }),
	codec.BitFlag("authority", func(f *Flags) *bool { return &f.Authority }),
	codec.BitFlag("truncated", func(f *Flags) *bool { return &f.Truncated }),
	codec.BitFlag("recurse", func(f *Flags) *bool { return &f.Recurse }),
	codec.BitFlag("recursion", func(f *Flags) *bool { return &f.Recursion }),
	codec.BitField("reserved", 3, func(f *Flags) *uint8 { return &f.Reserved }),
	codec.BitField("code", 4, func(f *Flags) *uint8 { return &f.Code }))

type head struct {
	ID     uint16
	Flags  Flags
	Counts [4]uint16
}

var headCodec = codec.Record(
	codec.Field("id", func(h *head) *uint16 { return &h.ID }, codec.Uint16),
	codec.Field("flags", func(h *head) *Flags { return &h.Flags }, flags),
	codec.Field("questions", func(h *head) *uint16 { return &h.Counts[0] }, codec.Uint16),
	codec.Field("answers", func(h *head) *uint16 { return &h.Counts[1] }, codec.Uint16),
	codec.Field("authority", func(h *head) *uint16 { return &h.Counts[2] }, codec.Uint16),
	codec.Field("more", func(h *head) *uint16 { return &h.Counts[3] }, codec.Uint16))

type message struct{}

// Append writes each name, or suffix of one, in full only the first time.
func (message) Append(dst []byte, m Message) ([]byte, error) {
	w := writer{start: len(dst), seen: map[string]int{}}
	h := head{ID: m.ID, Flags: m.Flags}
	sections := [][]Record{m.Answers, m.Authority, m.More}
	for i, n := range []int{len(m.Questions), len(m.Answers), len(m.Authority), len(m.More)} {
		if n > 1<<16-1 {
			return dst, fmt.Errorf("%w: %d records in a section", codec.ErrTooLarge, n)
		}
		h.Counts[i] = uint16(n)
	}
	dst, err := headCodec.Append(dst, h)
	if err != nil {
		return dst, err
	}
	for i, q := range m.Questions {
		if dst, err = w.name(dst, q.Name); err != nil {
			return dst, codec.WrapField(fmt.Sprintf("questions[%d].name", i), err)
		}
		dst = append(dst, byte(q.Type>>8), byte(q.Type), byte(q.Class>>8), byte(q.Class))
	}
	for s, records := range sections {
		for i, r := range records {
			if dst, err = w.record(dst, r); err != nil {
				return dst, codec.WrapField(fmt.Sprintf("%s[%d]", sectionNames[s], i), err)
			}
		}
	}
	return dst, nil
}

var sectionNames = [...]string{"answers", "authority", "more"}

// writer records the offsets of names.
type writer struct {
	start int
	seen  map[string]int
}

func (w *writer) name(dst []byte, name string) ([]byte, error) {
	if name != "." && (!strings.HasSuffix(name, ".") || len(name) > 254) {
		return dst, fmt.Errorf("%w: the name %q must end in a dot and have at most 254 characters", codec.ErrMalformed, name)
	}
	for name != "." && name != "" {
		if at, ok := w.seen[name]; ok {
			return append(dst, 0xc0|byte(at>>8), byte(at)), nil
		}
		if at := len(dst) - w.start; at < 1<<14 {
			w.seen[name] = at
		}
		label, rest, _ := strings.Cut(name, ".")
		if label == "" || len(label) > 63 {
			return dst, fmt.Errorf("%w: a label of %d bytes", codec.ErrMalformed, len(label))
		}
		dst = append(append(dst, byte(len(label))), label...)
		name = rest
	}
	return append(dst, 0), nil
}

func (w *writer) record(dst []byte, r Record) ([]byte, error) {
	dst, err := w.name(dst, r.Name)
	if err != nil {
		return dst, err
	}
	if len(r.Data) > 1<<16-1 {
		return dst, fmt.Errorf("%w: data of %d bytes", codec.ErrTooLarge, len(r.Data))
	}
	dst = append(dst, byte(r.Type>>8), byte(r.Type), byte(r.Class>>8), byte(r.Class))
	dst = append(dst, byte(r.TTL>>24), byte(r.TTL>>16), byte(r.TTL>>8), byte(r.TTL))
	dst = append(dst, byte(len(r.Data)>>8), byte(len(r.Data)))
	return append(dst, r.Data...), nil
}

// Decode needs the whole message at once, because names point back into it.
func (message) Decode(r *codec.Reader) (m Message, err error) {
	n, bounded := r.Remaining()
	if !bounded {
		return m, fmt.Errorf("%w: a message has no end of its own; use Framed", codec.ErrMalformed)
	}
	whole, err := r.Bytes(n)
	if err != nil {
		return m, err
	}
	in := reader{p: whole}
	m, err = in.message()
	if err != nil {
		return m, r.Fail(r.Offset()-int64(n-in.at), err)
	}
	return m, nil
}

// reader is a cursor over a whole message.
type reader struct {
	p  []byte
	at int
}

var errShort = fmt.Errorf("%w: the message ends too early", codec.ErrMalformed)

func (r *reader) message() (m Message, err error) {
	var h head
	n, err := codec.UnmarshalInto(headCodec, r.p, &h)
	if err != nil {
		return m, errShort
	}
	r.at = n
	m.ID, m.Flags = h.ID, h.Flags
	for range h.Counts[0] {
		name, err := r.name()
		if err != nil {
			return m, err
		}
		p, err := r.take(4)
		if err != nil {
			return m, err
		}
		m.Questions = append(m.Questions, Question{name, u16(p), u16(p[2:])})
	}
	for i, section := range []*[]Record{&m.Answers, &m.Authority, &m.More} {
		for range h.Counts[i+1] {
			record, err := r.record()
			if err != nil {
				return m, err
			}
			*section = append(*section, record)
		}
	}
	if r.at < len(r.p) {
		return m, fmt.Errorf("%w: %d bytes behind the last record", codec.ErrTrailingData, len(r.p)-r.at)
	}
	return m, nil
}

func u16(p []byte) uint16 { return uint16(p[0])<<8 | uint16(p[1]) }

func (r *reader) take(n int) ([]byte, error) {
	if n > len(r.p)-r.at {
		return nil, errShort
	}
	p := r.p[r.at : r.at+n]
	r.at += n
	return p, nil
}

// name reads the name at the current position. Each pointer must lead further back, so a chain of them ends.
func (r *reader) name() (string, error) {
	var name strings.Builder
	at, end, least := r.at, -1, r.at
	for {
		if at >= len(r.p) {
			return "", errShort
		}
		n := int(r.p[at])
		switch {
		case n >= 0xc0:
			if at+1 >= len(r.p) {
				return "", errShort
			}
			to := n&0x3f<<8 | int(r.p[at+1])
			if to >= least {
				return "", fmt.Errorf("%w: a name that points forward", codec.ErrMalformed)
			}
			if end < 0 {
				end = at + 2
			}
			at, least = to, to
			continue
		case n > 63:
			return "", fmt.Errorf("%w: a label of a kind that is not in use", codec.ErrMalformed)
		case at+1+n > len(r.p):
			return "", errShort
		}
		label := r.p[at+1 : at+1+n]
		at += 1 + n
		if n == 0 {
			break
		}
		if err := addLabel(&name, label); err != nil {
			return "", err
		}
	}
	if end < 0 {
		end = at
	}
	r.at = end
	if name.Len() == 0 {
		return ".", nil
	}
	return name.String(), nil
}

// addLabel appends a label and a dot to name.
func addLabel(name *strings.Builder, label []byte) error {
	if bytes.IndexByte(label, '.') >= 0 {
		return fmt.Errorf("%w: a label with a dot in it", codec.ErrMalformed)
	}
	if name.Len()+len(label)+1 > 254 {
		return fmt.Errorf("%w: a name of more than 254 characters", codec.ErrTooLarge)
	}
	name.Write(label)
	name.WriteByte('.')
	return nil
}

func (r *reader) record() (record Record, err error) {
	if record.Name, err = r.name(); err != nil {
		return record, err
	}
	p, err := r.take(10)
	if err != nil {
		return record, err
	}
	record.Type, record.Class = u16(p), u16(p[2:])
	record.TTL = uint32(u16(p[4:]))<<16 | uint32(u16(p[6:]))
	size := int(u16(p[8:]))
	if size > len(r.p)-r.at {
		return record, errShort
	}
	record.Data, err = r.data(record.Type, size)
	return record, err
}

// data reads the data of a record, and decompresses the name that some types end in.
func (r *reader) data(kind uint16, size int) ([]byte, error) {
	fixed := -1
	switch kind {
	case TypeNS, TypeCNAME, TypePTR:
		fixed = 0
	case TypeMX:
		fixed = 2
	}
	end := r.at + size
	if fixed < 0 {
		return r.take(size)
	}
	front, err := r.take(min(fixed, size))
	if err != nil {
		return nil, err
	}
	name, err := r.name()
	if err != nil {
		return nil, err
	}
	if r.at != end {
		return nil, fmt.Errorf("%w: data of %d bytes that holds a name of another length", codec.ErrMismatch, size)
	}
	plain := writer{seen: map[string]int{}}
	return plain.name(append([]byte(nil), front...), name)
}
