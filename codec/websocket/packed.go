package websocket

import (
	"encoding/binary"
	"net/textproto"
)

// packed is a header in one string: the number of its values, and of each the name and the value behind their lengths. A
// header takes four times as much, which each idle connection would hold. The zero value is no header.
type packed string

func pack(h textproto.MIMEHeader) packed {
	if h == nil {
		return ""
	}
	n := 0
	for _, values := range h {
		n += len(values)
	}
	p := binary.AppendUvarint(nil, uint64(n))
	for name, values := range h {
		for _, value := range values {
			p = appendText(appendText(p, name), value)
		}
	}
	return packed(p)
}

func appendText(p []byte, s string) []byte {
	return append(binary.AppendUvarint(p, uint64(len(s))), s...)
}

// header returns a header that is the caller's.
func (p packed) header() textproto.MIMEHeader {
	if p == "" {
		return nil
	}
	b := []byte(p)
	number := func() int {
		n, size := binary.Uvarint(b)
		b = b[size:]
		return int(n)
	}
	text := func() string {
		n := number()
		s := string(b[:n])
		b = b[n:]
		return s
	}
	n := number()
	h := make(textproto.MIMEHeader, n)
	for range n {
		name := text()
		h[name] = append(h[name], text())
	}
	return h
}
