package servers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
)

// ProxyHeader is the PROXY protocol header of a connection. Fields that the balancer did not send are zero, as are all
// of them in a header without addresses.
type ProxyHeader struct {
	// Source and Destination are the original addresses of the connection: *net.TCPAddr or *net.UnixAddr, or both nil.
	Source, Destination net.Addr

	// Authority is the host name that the client requested from the balancer, for example by SNI. ALPN is the protocol
	// that they negotiated.
	Authority, ALPN string

	// UniqueID is the balancer's identifier of the connection, at most 128 bytes.
	UniqueID []byte

	// TLS describes the TLS session between the client and the balancer. It is nil without TLS.
	TLS *ProxyTLS
}

// ProxyTLS describes the TLS session between a client and a balancer.
type ProxyTLS struct {
	Version string // such as "TLSv1.3"
	Cipher  string // such as "TLS_AES_128_GCM_SHA256"

	// CommonName is the common name of the client's certificate, if the client has presented one in this session or in
	// a resumed one. Verified reports whether the balancer verified it.
	CommonName string
	Verified   bool
}

// The types of the vectors (type, length, value) after the addresses.
const (
	tlvALPN      = 0x01
	tlvAuthority = 0x02
	tlvCRC32C    = 0x03
	tlvUniqueID  = 0x05
	tlvSSL       = 0x20

	tlvSSLVersion    = 0x21
	tlvSSLCommonName = 0x22
	tlvSSLCipher     = 0x23

	sslUsed        = 0x01
	sslCertificate = 0x02 | 0x04 // of this connection or of the session
)

// parseProxyV2 parses the rest of a header after the signature. head holds the command, family and length.
func parseProxyV2(head [4]byte, rest []byte) (*ProxyHeader, error) {
	h := &ProxyHeader{}
	size := addrsSize(head[1])
	if len(rest) < size {
		return nil, fmt.Errorf("%d bytes are too short for two addresses", len(rest))
	}
	addrs := rest[:size]
	switch half := size / 2; head[1] {
	case proxyTCP4, proxyTCP6:
		half -= 2
		h.Source, h.Destination = tcpAddrOf(addrs[:half], addrs[2*half:]), tcpAddrOf(addrs[half:2*half], addrs[2*half+2:])
	case proxyUnix:
		h.Source, h.Destination = unixAddrOf(addrs[:half]), unixAddrOf(addrs[half:])
	default:
		return h, nil // the offset of the vectors is unknown
	}
	return h, h.readVectors(head, rest, size)
}

// addrsSize returns the size in bytes of the addresses of a family, or 0 if the family is unknown.
func addrsSize(family byte) int {
	switch family {
	case proxyTCP4:
		return 2 * (4 + 2)
	case proxyTCP6:
		return 2 * (16 + 2)
	case proxyUnix:
		return 2 * 108
	}
	return 0
}

func tcpAddrOf(ip, port []byte) net.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, binary.BigEndian.Uint16(port)))
}

// unixAddrOf parses a zero-padded path, or an abstract name, which starts with a zero byte.
func unixAddrOf(path []byte) net.Addr {
	abstract := ""
	if path[0] == 0 {
		abstract, path = "@", path[1:]
	}
	path, _, _ = bytes.Cut(path, []byte{0})
	return &net.UnixAddr{Name: abstract + string(path), Net: "unix"}
}

// readVectors parses the vectors in rest, which start at offset start.
func (h *ProxyHeader) readVectors(head [4]byte, rest []byte, start int) error {
	return eachVector(rest[start:], func(kind byte, value []byte) error {
		switch kind {
		case tlvALPN:
			h.ALPN = string(value)
		case tlvAuthority:
			h.Authority = string(value)
		case tlvUniqueID:
			if len(value) > 128 {
				return errors.New("the unique id has more than 128 bytes")
			}
			h.UniqueID = bytes.Clone(value)
		case tlvCRC32C:
			return checkCRC(head, rest, value)
		case tlvSSL:
			return h.readSSL(value)
		}
		return nil
	})
}

// eachVector calls f for each vector of b.
func eachVector(b []byte, f func(kind byte, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < 3 || len(b)-3 < int(binary.BigEndian.Uint16(b[1:])) {
			return errors.New("a vector is longer than what is left")
		}
		end := 3 + int(binary.BigEndian.Uint16(b[1:]))
		if err := f(b[0], b[3:end:end]); err != nil {
			return err
		}
		b = b[end:]
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkCRC verifies the checksum of the header, which is computed with zeros in place of sum, a slice of rest.
func checkCRC(head [4]byte, rest, sum []byte) error {
	if len(sum) != 4 {
		return fmt.Errorf("a checksum of %d bytes", len(sum))
	}
	want := binary.BigEndian.Uint32(sum)
	clear(sum)
	got := crc32.Update(0, castagnoli, []byte(proxyV2))
	got = crc32.Update(crc32.Update(got, castagnoli, head[:]), castagnoli, rest)
	if got != want {
		return fmt.Errorf("checksum mismatch: received %08x, computed %08x", want, got)
	}
	return nil
}

// readSSL parses the vector about TLS: flags, the result of the verification, and nested vectors.
func (h *ProxyHeader) readSSL(value []byte) error {
	if len(value) < 5 {
		return fmt.Errorf("a vector about TLS of %d bytes", len(value))
	}
	flags, result := value[0], binary.BigEndian.Uint32(value[1:])
	if flags&sslUsed == 0 {
		return nil
	}
	h.TLS = &ProxyTLS{Verified: flags&sslCertificate != 0 && result == 0}
	return eachVector(value[5:], func(kind byte, value []byte) error {
		switch kind {
		case tlvSSLVersion:
			h.TLS.Version = string(value)
		case tlvSSLCommonName:
			h.TLS.CommonName = string(value)
		case tlvSSLCipher:
			h.TLS.Cipher = string(value)
		}
		return nil
	})
}
