package target

import (
	"crypto/tls"
	"net"

	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// The same echo servers over TLS 1.3, with a certificate made at the start.

func secureTargets() []Target {
	return []Target{
		{Name: "tls net loop", Codec: "raw", Scheme: "tls", Start: func() (Running, error) { return serveTLS(netLoop, false) }},
		{Name: "tls bufio owned", Codec: "u32", Scheme: "tls", Start: func() (Running, error) { return serveTLS(bufioOwned, false) }},
		{Name: "tls.Conn idle", Codec: "u32", Scheme: "tls", Start: func() (Running, error) { return serveTLS(idle, true) }},
		weirTLS("weir tls raw Connect", "raw", rawBy(pipeline.Connect)),
		weirTLS("weir tls raw Recv/Send", "raw", rawBy(loop)),
		weirTLS("weir tls Connect", "u32", framedBy(owned, pipeline.Connect)),
		weirTLS("weir tls Recv/Send", "u32", framedBy(owned, loop)),
		weirTLS("weir tls channels", "u32", framedBy(owned, channels)),
	}
}

func certificate() (tls.Certificate, error) {
	cert, _, err := servers.SelfSigned("localhost", "127.0.0.1")
	return cert, err
}

func serveTLS(handle func(net.Conn), inline bool) (Running, error) {
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		return nil, err
	}
	return serveOn(ln, handle, inline), nil
}

func weirTLS(name, wire string, handle handler) Target {
	return Target{Name: name, Codec: wire, Scheme: "tls", Start: func() (Running, error) {
		cert, err := certificate()
		if err != nil {
			return nil, err
		}
		ln, err := servers.ListenTLS("127.0.0.1:0", &servers.TLSConfig{Certificates: []tls.Certificate{cert}}, nil)
		return serveWeir(ln, err, handle)
	}}
}
