package chanio_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/pipeline"
)

// selfSigned returns the configurations of both sides for the name "weir.test".
var selfSigned = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "weir.test"}, DNSNames: []string{"weir.test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: pool, ServerName: "weir.test"}
})

// secured runs a handshake over the two ends.
func secured(t testing.TB, a, b *chanio.Conn, version uint16) (client, server *chanio.Conn) {
	t.Helper()
	serverConfig, clientConfig := selfSigned()
	clientConfig = clientConfig.Clone()
	clientConfig.MaxVersion = version
	done := make(chan error, 1)
	go func() {
		var err error
		server, err = chanio.TLSServer(context.Background(), b, serverConfig, nil)
		done <- err
	}()
	client, err := chanio.TLSClient(context.Background(), a, clientConfig, nil)
	require.NoError(t, err)
	require.NoError(t, <-done)
	return client, server
}

func overTLS(t *testing.T, test func(t *testing.T, client, server *chanio.Conn)) {
	for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
		t.Run("tcp "+name, func(t *testing.T) {
			a, b := tcpPair(t)
			client, server := secured(t, a, b, version)
			test(t, client, server)
		})
		t.Run("pipe "+name, func(t *testing.T) {
			a, b := chanio.Pipe()
			client, server := secured(t, a, b, version)
			test(t, client, server)
		})
	}
}

func TestTLSEchoesAndHalfCloses(t *testing.T) {
	overTLS(t, func(t *testing.T, client, server *chanio.Conn) {
		require.NotNil(t, client.TLS())
		require.Equal(t, "weir.test", client.TLS().PeerCertificates[0].Subject.CommonName)
		result := make(chan error, 1)
		go func() { result <- pipeline.Connect(t.Context(), server.In, server.Out) }()
		big := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
		sent := make(chan error, 1)
		go func() {
			err := client.Out.Send(t.Context(), big)
			if err == nil {
				err = client.Out.Close()
			}
			sent <- err
		}()
		var got []byte
		for chunk := range client.In.All(t.Context()) {
			got = append(got, chunk...)
		}
		require.NoError(t, client.In.Err())
		require.True(t, bytes.Equal(big, got))
		require.NoError(t, <-sent)
		require.NoError(t, <-result)
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
		<-client.Done()
		<-server.Done()
	})
}

func TestTLSTruncationIsAnError(t *testing.T) {
	a, b := tcpPair(t)
	client, server := secured(t, a, b, 0)
	require.NoError(t, client.Out.Send(t.Context(), []byte("whole")))
	chunk, err := server.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "whole", string(chunk))
	require.NoError(t, a.NetConn().(*net.TCPConn).CloseWrite())
	_, err = server.In.Recv(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	server.Out.Abort(nil)
	client.Out.Abort(nil)
}

func TestG2TLSCancelledRecvTookNothing(t *testing.T) {
	overTLS(t, func(t *testing.T, client, server *chanio.Conn) {
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			_, err := server.In.Recv(ctx)
			require.ErrorIs(t, err, context.Canceled)
		}
		require.NoError(t, client.Out.Send(t.Context(), []byte("still here")))
		chunk, err := server.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "still here", string(chunk))
		client.Out.Abort(nil)
		server.Out.Abort(nil)
	})
}

func TestTLSPeersThatOnlySendDoNotDeadlock(t *testing.T) {
	overTLS(t, func(t *testing.T, client, server *chanio.Conn) {
		value := bytes.Repeat([]byte("x"), 1<<10)
		fill := func(c *chanio.Conn) (n int) {
			for {
				ok, err := c.Out.TrySend(value)
				require.NoError(t, err)
				if !ok {
					return n
				}
				n += len(value)
			}
		}
		drain := func(c *chanio.Conn, n int, done chan<- error) {
			for n > 0 {
				chunk, err := c.In.Recv(context.Background())
				if err != nil {
					done <- err
					return
				}
				n -= len(chunk)
			}
			done <- nil
		}
		fromClient, fromServer := fill(client), fill(server)
		done := make(chan error, 2)
		go drain(client, fromServer, done)
		go drain(server, fromClient, done)
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		client.Out.Abort(nil)
		server.Out.Abort(nil)
	})
}

func TestTLSHandshakeFailureReachesTheCaller(t *testing.T) {
	a, b := chanio.Pipe()
	server, client := selfSigned()
	client = client.Clone()
	client.ServerName = "other.test"
	done := make(chan error, 1)
	go func() {
		_, err := chanio.TLSServer(context.Background(), b, server, nil)
		done <- err
	}()
	_, err := chanio.TLSClient(t.Context(), a, client, nil)
	var wrongName x509.HostnameError
	require.ErrorAs(t, err, &wrongName)
	require.Error(t, <-done)
	<-a.Done()
	<-b.Done()
}

func TestTLSHandshakeEndsWithCtx(t *testing.T) {
	a, b := chanio.Pipe()
	defer b.Close()
	_, client := selfSigned()
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	_, err := chanio.TLSClient(ctx, a, client, nil)
	require.ErrorIs(t, err, context.Canceled)
	<-a.Done()
}

// A handler that answers STARTTLS need not think of peers that then say nothing.
func TestTLSHandshakeEndsWithASilentPeer(t *testing.T) {
	for within, bound := range map[time.Duration]func(ctx context.Context) (context.Context, context.CancelFunc){
		10 * time.Second: context.WithCancel,
		time.Hour: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, time.Hour, os.ErrDeadlineExceeded)
		},
	} {
		for side, shake := range map[string]func(context.Context, *chanio.Conn, *tls.Config, *chanio.ConnConfig) (*chanio.Conn, error){
			"server": chanio.TLSServer, "client": chanio.TLSClient,
		} {
			synctest.Test(t, func(t *testing.T) {
				a, b := chanio.Pipe()
				ctx, cancel := bound(t.Context())
				defer cancel()
				start := time.Now()
				_, err := shake(ctx, a, &tls.Config{InsecureSkipVerify: true}, nil)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded, side)
				require.Equal(t, within, time.Since(start), side)
				<-a.Done()
				b.Abort(nil)
			})
		}
	}
}

// Flush and Close wait for the network, not only for the buffer between the TLS session and the network.
func TestG5TLSFlushAndCloseWaitForThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := chaniotest.Pipe(512)
		near, far := secured(t, chanio.NewConn(a, nil), chanio.NewConn(b, nil), tls.VersionTLS13)
		abortAfter(t, near, far)
		const size = 8 << 10
		require.NoError(t, near.Out.Send(t.Context(), make([]byte, size)))
		flushed := make(chan error, 1)
		go func() { flushed <- near.Out.Flush(t.Context()) }()
		synctest.Wait()
		require.Empty(t, flushed, "the peer has taken nothing yet")
		require.Len(t, atLeast(t, far.In, size), size)
		require.NoError(t, <-flushed)

		require.NoError(t, near.Out.Send(t.Context(), make([]byte, size)))
		closed := make(chan error, 1)
		go func() { closed <- near.Out.Close() }()
		synctest.Wait()
		require.Empty(t, closed)
		got, err := all(t.Context(), far.In)
		require.Equal(t, io.EOF, err)
		require.Len(t, got, size)
		require.NoError(t, <-closed)
	})
}

// A client sends STARTTLS on a channel and does not wait for a reply.
func TestWhatAChannelHoldsIsSentBeforeTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		a, b := chanio.Pipe()
		out := a.Out.C(ctx)
		part := bytes.Repeat([]byte("STARTTLS\n"), 1500) // more in all than the connection takes at once
		for range 16 {
			out <- part
		}
		serverConfig, clientConfig := selfSigned()
		var server *chanio.Conn
		done := make(chan error, 1)
		go func() {
			up := b.In.Claim("test")
			in, want := up.Bytes(), bytes.Repeat(part, 16)
			got := make([]byte, 0, len(want))
			for len(got) < len(want) {
				n, err := in.Read(ctx, got[len(got):cap(got)])
				if got = got[:len(got)+n]; err != nil {
					break
				}
			}
			if !bytes.Equal(got, want) {
				b.Abort(nil)
				done <- io.ErrUnexpectedEOF
				return
			}
			up.Release()
			var err error
			server, err = chanio.TLSServer(ctx, b, serverConfig, nil)
			done <- err
		}()
		client, err := chanio.TLSClient(ctx, a, clientConfig, nil)
		require.NoError(t, err)
		require.NoError(t, <-done)
		cancel()
		go client.Close()
		_ = server.Close()
	})
}

func TestTLSThatCannotBeginAbortsTheConn(t *testing.T) {
	why := errors.New("not now")
	for name, refuse := range map[string]func(c *chanio.Conn){
		"the stage above does not let go": func(c *chanio.Conn) {
			c.In.Claim("a stage").Yields(func(context.Context) error { return why })
		},
		"a channel above cannot send what it holds": func(c *chanio.Conn) {
			c.Out.End().BeforeClose(func(context.Context) error { return why })
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := chanio.Pipe()
			defer b.Abort(nil)
			refuse(a)
			_, err := chanio.TLSServer(t.Context(), a, &tls.Config{}, nil)
			require.Equal(t, why, err)
			require.Equal(t, why, a.Out.Err())
			<-a.Done()
		})
	}
}

func TestTheHandshakeTimeoutCoversWhatLiesBeforeTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		defer far.Abort(nil)
		out := near.Out.C(t.Context())
		for range 4 {
			out <- make([]byte, 128<<10) // more than finds room: far reads nothing
		}
		_, clientConfig := selfSigned()
		began := time.Now()
		_, err := chanio.TLSClient(context.Background(), near, clientConfig, nil)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(began))
		<-near.Done()
	})
}
