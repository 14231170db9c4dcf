package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// serveDNS is a server that knows only example.test, at 127.0.0.1. It counts the queries.
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

// answer returns the reply to a query, in the encoding of RFC 1035: 127.0.0.1 for the A record of example.test, and the
// absence of its AAAA record for a minute. Other names do not exist.
func answer(query []byte) []byte {
	question := query[12 : 12+bytes.IndexByte(query[12:], 0)+1+4]
	reply := func(flags string, answers, authorities byte, record string) []byte {
		header := query[:2:2]                                           // the id
		header = append(header, flags...)                               // a response, and its code
		header = append(header, 0, 1, 0, answers, 0, authorities, 0, 0) // how many of which records
		return append(append(header, question...), record...)
	}
	const record = "\xc0\x0c%s\x00\x01\x00\x00\x00\x3c" // of the name asked for, with a TTL of 60 s
	switch {
	case !bytes.HasPrefix(question, []byte("\x07example\x04test\x00")):
		return reply("\x81\x83", 0, 0, "")
	case bytes.HasSuffix(question, []byte("\x00\x01\x00\x01")):
		return reply("\x81\x80", 1, 0, fmt.Sprintf(record, "\x00\x01")+"\x00\x04\x7f\x00\x00\x01")
	}
	soa := "\x00\x16" + "\x00\x00" + strings.Repeat("\x00\x00\x00\x3c", 5)
	return reply("\x81\x80", 0, 1, fmt.Sprintf(record, "\x00\x06")+soa)
}

// serveEcho sends back the input of each connection.
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
	require.ErrorContains(t, err, "not an IP address")
}
