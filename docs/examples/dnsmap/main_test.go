package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// serveDNS is a server that knows example.test, at 127.0.0.1, and nothing else. It counts what it is asked.
func serveDNS(t *testing.T) (addr string, asked *atomic.Int32) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = pc.Close() })
	asked = new(atomic.Int32)
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			asked.Add(1)
			_, _ = pc.WriteTo(answer(buf[:n]), from)
		}
	}()
	return pc.LocalAddr().String(), asked
}

func answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil {
		return nil
	}
	m.Response, m.Additionals = true, nil
	q := m.Questions[0]
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}
	switch {
	case q.Name.String() != "example.test.":
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
	default: // there is none, and that holds for a minute
		m.Authorities = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.SOAResource{NS: q.Name, MBox: q.Name, MinTTL: 60}}}
	}
	b, _ := m.Pack()
	return b
}

// serveEcho answers each connection with all that it says.
func serveEcho(t *testing.T) (port int) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(nc, nc)
			_ = nc.Close()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func TestNamesAreInTheMapOrElseInDNS(t *testing.T) {
	chaniotest.NoLeak(t)
	dns, asked := serveDNS(t)
	port := serveEcho(t)
	table := map[string][]string{}
	require.NoError(t, add(table, "*.mapped.test=127.0.0.1"))
	resolver, err := mapElse(table, []string{dns})
	require.NoError(t, err)
	for _, c := range []struct {
		host  string
		asked int32
	}{{"any.mapped.test", 0}, {"example.test", 2}, {"example.test", 2}} {
		var out strings.Builder
		addr := fmt.Sprint(c.host, ":", port)
		require.NoError(t, talk(t.Context(), resolver, addr, "hello", &out))
		require.Equal(t, fmt.Sprintf("%s is 127.0.0.1:%d\nhello\r\n\r\n", addr, port), out.String())
		require.Equal(t, c.asked, asked.Load(), "for IPv4 and IPv6, once")
	}
	err = talk(t.Context(), resolver, "unknown.test:80", "hello", io.Discard)
	var notFound *net.DNSError
	require.ErrorAs(t, err, &notFound)
	require.True(t, notFound.IsNotFound)
}

func TestWrongEntriesAreErrors(t *testing.T) {
	require.ErrorContains(t, add(map[string][]string{}, "db.test"), "name=address")
	_, err := mapElse(map[string][]string{"db.test": {"ten"}}, nil)
	require.ErrorContains(t, err, "an address is like")
	_, err = mapElse(nil, []string{"dns.example"})
	require.ErrorContains(t, err, "no IP address")
}
