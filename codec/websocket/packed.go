package websocket

import (
	"encoding/binary"
	"net/textproto"
)

// packed is a header in one string: the number of its fields, and for each its place in the table of usual fields plus 1,
// or 0 and the name behind its length; then, unless the table has it, the value behind its length. A header takes more
// than four times as much, which each idle connection would hold. The zero value is no header.
type packed string

// usual are fields of handshakes, those with any value behind those with a certain one.
var usual = [...]struct{ name, value string }{
	{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-Websocket-Version", "13"},
	{"Cache-Control", "no-cache"}, {"Pragma", "no-cache"}, {"Accept-Encoding", "gzip, deflate, br, zstd"},
	{name: "Sec-Websocket-Key"}, {name: "Sec-Websocket-Accept"}, {name: "Sec-Websocket-Extensions"},
	{name: "Sec-Websocket-Protocol"}, {name: "Origin"}, {name: "User-Agent"}, {name: "Accept-Encoding"},
	{name: "Accept-Language"}, {name: "Cookie"}, {name: "Authorization"}, {name: "Connection"}, {name: "Date"},
	{name: "X-Forwarded-For"}, {name: "X-Forwarded-Proto"}, {name: "X-Forwarded-Host"}, {name: "X-Real-Ip"},
}

// place returns the place of a field in usual, or -1.
func place(name, value string) int {
	for i, f := range usual {
		if f.name == name && (f.value == value || f.value == "") {
			return i
		}
	}
	return -1
}

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
			p = appendField(p, name, value)
		}
	}
	return packed(p)
}

func appendField(p []byte, name, value string) []byte {
	i := place(name, value)
	p = binary.AppendUvarint(p, uint64(i+1))
	switch {
	case i < 0:
		p = appendText(p, name)
	case usual[i].value != "":
		return p
	}
	return appendText(p, value)
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
		var name, value string
		if i := number(); i > 0 {
			name, value = usual[i-1].name, usual[i-1].value
		} else {
			name = text()
		}
		if value == "" {
			value = text()
		}
		h[name] = append(h[name], value)
	}
	return h
}
