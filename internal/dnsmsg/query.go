package dnsmsg

import (
	"fmt"

	"golang.org/x/net/dns/dnsmessage"
)

// Query returns the message that asks for the records of one type of name, which must be absolute: it ends with a dot.
// A payload other than 0 announces by EDNS(0) how many bytes a datagram with the answer may have (RFC 6891); without
// it, a server sends at most 512.
func Query(id uint16, name string, typ dnsmessage.Type, payload uint16) ([]byte, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, fmt.Errorf("the name %q is longer than the 255 bytes of DNS", name)
	}
	b := dnsmessage.NewBuilder(make([]byte, 0, 512), dnsmessage.Header{ID: id, RecursionDesired: true})
	b.EnableCompression()
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(dnsmessage.Question{Name: n, Type: typ, Class: dnsmessage.ClassINET}); err != nil {
		return nil, err
	}
	if payload != 0 {
		if err := addPayload(&b, payload); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// addPayload appends the pseudo-record of EDNS(0).
func addPayload(b *dnsmessage.Builder, payload uint16) error {
	if err := b.StartAdditionals(); err != nil {
		return err
	}
	var h dnsmessage.ResourceHeader
	if err := h.SetEDNS0(int(payload), dnsmessage.RCodeSuccess, false); err != nil {
		return err
	}
	return b.OPTResource(h, dnsmessage.OPTResource{})
}
