package load

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/servers"
)

func listenOn(t *testing.T, ln net.Listener) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(struct{ io.Writer }{conn}, conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-ended
	})
}

func TestUnixAndTLSTargets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	listenOn(t, ln)
	spec := Spec{URL: "unix://" + path, Codec: "u32", Size: 64, Conns: 1, Window: 4, Time: 200 * time.Millisecond}
	_, err = Run(t.Context(), spec, nil)
	require.NoError(t, err)

	cert, _, err := servers.SelfSigned("localhost", "127.0.0.1")
	require.NoError(t, err)
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	require.NoError(t, err)
	listenOn(t, secure)
	spec.URL = "tls://" + secure.Addr().String()
	_, err = Run(t.Context(), spec, nil)
	require.ErrorContains(t, err, "certificate")
	spec.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	for _, rate := range []float64{0, 1000} {
		spec.Rate = rate
		_, err = Run(t.Context(), spec, nil)
		require.NoError(t, err)
	}
	spec.CA, spec.Insecure = nil, true
	_, err = Run(t.Context(), spec, nil)
	require.NoError(t, err)
}

func TestSpecsThatCannotBeRun(t *testing.T) {
	good := Spec{URL: "tcp://127.0.0.1:1", Codec: "u32", Size: 64, Conns: 1, Window: 1}
	require.NoError(t, good.Check())
	for _, spoil := range []func(*Spec){
		func(s *Spec) { s.URL = "gopher://x" },
		func(s *Spec) { s.URL = "tcp:" },
		func(s *Spec) { s.URL = "%" },
		func(s *Spec) { s.Codec = "u16" },
		func(s *Spec) { s.Size = 0 },
		func(s *Spec) { s.Conns = 0 },
		func(s *Spec) { s.Window = 0 },
		func(s *Spec) { s.Rate = -1 },
		func(s *Spec) { s.Idle = 1 },
		func(s *Spec) { s.Loss = 0.1 },
		func(s *Spec) { s.Window, s.Reuse = 4, 3 },
		func(s *Spec) { s.Rate, s.Reuse = 4, 3 },
		func(s *Spec) { s.URL, s.CA = "tls://x:1", []byte("no") },
		func(s *Spec) { s.URL, s.Size = "udp://127.0.0.1:1", 7 },
		func(s *Spec) { s.URL, s.Size = "udp://127.0.0.1:1", 1<<20 },
		func(s *Spec) { s.URL, s.Reuse = "udp://127.0.0.1:1", 2 },
	} {
		s := good
		spoil(&s)
		var usage *UsageError
		_, err := Run(t.Context(), s, nil)
		require.ErrorAs(t, err, &usage, "%+v", s)
	}
}
