package clients_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/tlsconf"
)

// The tests in this file cover problems reported by users of similar libraries.

// Addresses of another name in an answer are ignored (meow-rs/meow-rs 365), as is an alias that is not reached from the
// name queried.
func TestDNSAddressesOfOtherNamesAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &dnsServer{answer: func(q query, send func([]byte)) {
			send(q.pack(func(m *dnsmessage.Message) {
				m.RecursionAvailable = true
				m.Answers = []dnsmessage.Resource{
					resource("bank.test.", 60, aRecord("192.0.2.66")), resource("b.test.", 60, aRecord("192.0.2.67")),
					resource("other.test.", 60, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("bank.test.")}),
				}
			}))
		}}
		r, err := clients.NewDNSResolver(&clients.DNSConfig{Servers: []string{"10.0.0.1"}, Dial: s.dial})
		require.NoError(t, err)
		for _, name := range []string{"a.test.", "b.test.", "bank.test."} {
			addrs, _ := r.LookupAddrs(t.Context(), name)
			if name == "a.test." {
				require.Empty(t, addrs)
				continue
			}
			require.Len(t, addrs, 1, "an answer for itself is in the same message")
		}
		s.serving.Wait()
	})
}

// A Client that is reconnecting can be shut down and closed at once, and a waiting call fails (nats-io/nats.go 18 and
// 531).
func TestClientEndsAtOnceWhileItReconnects(t *testing.T) {
	for name, end := range map[string]func(cl *clients.Client[string, string]) error{
		"Close":    (*clients.Client[string, string]).Close,
		"Shutdown": func(cl *clients.Client[string, string]) error { return cl.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := clients.NewClient(func(context.Context) (*chanio.Conn, error) { return nil, errDown }, codec.Lines, codec.Lines,
					&clients.ClientConfig[string, string]{Timeout: time.Hour, Reconnect: clients.ReconnectConfig{
						Backoff: func(int) time.Duration { return time.Minute },
					}})
				got := make(chan error, 1)
				go func() {
					_, err := cl.Call(t.Context(), "x")
					got <- err
				}()
				time.Sleep(90 * time.Second) // during the second pause
				start := time.Now()
				require.NoError(t, end(cl))
				err := <-got
				require.ErrorIs(t, err, clients.ErrNotSent)
				require.ErrorIs(t, err, net.ErrClosed)
				require.Equal(t, start, time.Now())
			})
		})
	}
}

// Calls cancelled between their place and their value release the place (ClickHouse/clickhouse-go 1759).
func TestPoolKeepsAllItsPlacesWhenCallsAreCancelled(t *testing.T) {
	cfg := clients.PoolConfig[int]{MaxOpen: 2, Check: func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	pooling(t, &factory{takes: time.Second}, cfg, func(t *testing.T, p *clients.Pool[int]) {
		why := errors.New("why")
		for i := range 20 {
			if i%2 == 0 {
				get(t, p).Release()
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second/2, why)
			_, err := p.Get(ctx)
			require.ErrorIs(t, err, why)
			cancel()
		}
		one, two := get(t, p), get(t, p)
		one.Release()
		two.Release()
	})
}

// Close returns also if the peer reads nothing (hashicorp/yamux 149).
func TestClientClosesThoughItsPeerTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fars []net.Conn
		cl := clients.NewClient(func(context.Context) (*chanio.Conn, error) {
			near, far := chaniotest.Pipe(16)
			fars = append(fars, far)
			return chanio.NewConn(near, nil), nil
		}, codec.Lines, codec.Lines, nil)
		got := make(chan error, 1)
		go func() {
			_, err := cl.Call(t.Context(), string(make([]byte, 1000)))
			got <- err
		}()
		time.Sleep(time.Second)
		start := time.Now()
		require.NoError(t, cl.Close())
		require.ErrorIs(t, <-got, net.ErrClosed)
		require.LessOrEqual(t, time.Since(start), chanio.DefaultLinger+time.Second)
		for _, far := range fars {
			_ = far.Close()
		}
	})
}

// A connection returned by a dial after Close of the Client is not kept.
func TestClientAbortsAConnectionThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conn *chanio.Conn
		near, far := chaniotest.Pipe(0)
		defer far.Close()
		cl := clients.NewClient(func(ctx context.Context) (*chanio.Conn, error) {
			<-ctx.Done()
			conn = chanio.NewConn(near, nil)
			return conn, nil
		}, codec.Lines, codec.Lines, nil)
		go func() { _, _ = cl.Call(t.Context(), "x") }()
		synctest.Wait()
		require.NoError(t, cl.Close())
		<-conn.Done()
	})
}

// A Hello that continues to receive loses its connection.
func TestClientAbortsAConnectionThatHelloKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		near, far := chaniotest.Pipe(0)
		conn := chanio.NewConn(near, nil)
		cl := clients.NewClient(func(context.Context) (*chanio.Conn, error) { return conn, nil }, codec.Lines, codec.Lines,
			&clients.ClientConfig[string, string]{Hello: func(_ context.Context, d *chanio.Duplex[string, string]) error {
				d.In.C(ctx)
				return nil
			}})
		_, err := cl.Call(t.Context(), "x")
		require.ErrorAs(t, err, new(*chanio.PanicError))
		<-conn.Done()
		_, err = far.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotErrorIs(t, err, io.EOF)
		_ = far.Close()
		require.NoError(t, cl.Close())
	})
}

// The error of a call names its connection.
func TestG15ErrorsOfCallsNameTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Bool
		cl := clients.NewClient(func(context.Context) (*chanio.Conn, error) {
			near, far := chaniotest.Pipe(0)
			go func() {
				_, _ = codec.NewDecoder(far, codec.Lines).Decode()
				if silent.Load() {
					_, _ = io.Copy(io.Discard, far)
				}
				_ = far.Close()
			}()
			return chanio.NewConn(near, nil), nil
		}, codec.Lines, codec.Lines, &clients.ClientConfig[string, string]{Timeout: time.Second})
		for _, want := range []string{": unexpected EOF", ": no reply within 1s: i/o timeout"} {
			_, err := cl.Call(t.Context(), "x")
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			require.Equal(t, "clients: call mem "+op.Source.String()+"->"+op.Addr.String()+want, err.Error())
			silent.Store(true)
			time.Sleep(time.Minute)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		time.AfterFunc(time.Second/2, func() { cancel(why) })
		_, err := cl.Call(ctx, "x")
		require.Equal(t, why, err, "the caller's own reason is as it was given")
		require.NoError(t, cl.Close())
	})
}

func TestG15ErrorsOfCallsNameTheirConnectionOnce(t *testing.T) {
	nl := listen(t)
	go func() {
		nc, err := nl.Accept()
		if err != nil {
			return
		}
		_, _ = nc.Read(make([]byte, 1))
		_ = nc.(*net.TCPConn).SetLinger(0)
		_ = nc.Close()
	}()
	cl := clients.NewClient(func(ctx context.Context) (*chanio.Conn, error) {
		return clients.DialTCP(ctx, nl.Addr().String(), nil)
	}, codec.Lines, codec.Lines, nil)
	_, err := cl.Call(t.Context(), "x")
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Equal(t, 1, strings.Count(err.Error(), "->"), err.Error())
	require.NoError(t, cl.Close())
}

// pooled returns a Pool with a single connection to an echo server, over TCP or TLS.
func pooled(t *testing.T, roots *x509.CertPool, port string) *clients.Pool[*chanio.Conn] {
	p := clients.NewConnPool(func(ctx context.Context) (*chanio.Conn, error) {
		if roots == nil {
			return clients.DialTCP(ctx, "127.0.0.1:"+port, nil)
		}
		return clients.DialTLS(ctx, "127.0.0.1:"+port, &clients.TLSConfig{RootCAs: roots}, nil)
	}, &clients.PoolConfig[*chanio.Conn]{MaxOpen: 1})
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// ask sends text and returns what comes back first.
func ask(ctx context.Context, c *chanio.Conn, text string) (string, error) {
	if err := c.Out.Send(ctx, []byte(text)); err != nil {
		return "", err
	}
	reply, err := c.In.Recv(ctx)
	return string(reply), err
}

// A deadline that one user of a pooled connection sets is not the next one's (buraksezer/connpool 6).
func TestConnPoolLendsConnectionsWithoutDeadlines(t *testing.T) {
	p := pooled(t, nil, strconv.Itoa(echo(t)))
	var first *chanio.Conn
	for i := range 3 {
		l, err := p.Get(t.Context())
		require.NoError(t, err)
		c := l.Value()
		if i == 0 {
			first = c
		}
		require.Same(t, first, c)
		require.NoError(t, c.Out.Send(t.Context(), []byte("hello")))
		require.Equal(t, "hello", string(recv(t, c.In)))
		require.NoError(t, c.SetReadDeadline(time.Unix(1, 0)))
		require.NoError(t, c.SetWriteDeadline(time.Unix(1, 0)))
		l.Release()
	}
}

// The session tickets that a server sends after the handshake do not make a pooled connection look used
// (redis/go-redis 3137).
func TestConnPoolKeepsConnectionsOfTLS(t *testing.T) {
	port, roots, _ := tlsEcho(t, "127.0.0.1")
	p := pooled(t, roots, port)
	for range 3 {
		require.NoError(t, p.Do(t.Context(), func(context.Context, *chanio.Conn) error { return nil })) // the tickets stay unread
	}
	require.EqualValues(t, 1, p.Stats().Opened)
}

// A reply that comes after its caller has given up is not the next caller's (redis/go-redis 1113).
func TestConnPoolReplyThatComesLateIsNobodys(t *testing.T) {
	ln := listen(t)
	answer := make(chan struct{})
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				question := make([]byte, 1)
				for {
					if _, err := io.ReadFull(nc, question); err != nil {
						return
					}
					if question[0] == 'a' {
						<-answer
					}
					_, _ = nc.Write(question)
				}
			}()
		}
	}()
	p := pooled(t, nil, strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
	why := errors.New("given up")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := p.Do(ctx, func(ctx context.Context, c *chanio.Conn) error {
		require.NoError(t, c.Out.Send(ctx, []byte("a")))
		cancel(why)
		_, err := c.In.Recv(ctx)
		return err
	})
	require.ErrorIs(t, err, why)
	close(answer)
	require.NoError(t, p.Do(t.Context(), func(ctx context.Context, c *chanio.Conn) error {
		got, err := ask(ctx, c, "b")
		require.Equal(t, "b", got)
		return err
	}))
}

// What an attacker adds to the answer to STARTTLS is not taken for a message of the server (nodemailer/nodemailer 1835).
func TestUpgradeTLSTakesNothingSentBefore(t *testing.T) {
	cert, roots, err := tlsconf.SelfSigned("a.test")
	require.NoError(t, err)
	for _, injected := range []string{"250-AUTH PLAIN", "250 fake\r\n"} {
		server := &peers{play: func(_ string, nc net.Conn) {
			_, _ = io.WriteString(nc, "220 go ahead\r\n"+injected)
			secured := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
			_, _ = io.WriteString(secured, "250 genuine\r\n")
		}}
		c, err := server.dial(t.Context(), "", nil)
		require.NoError(t, err)
		line, err := codec.Decode(c.In, codec.Lines).Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "220 go ahead", line)
		_, err = clients.UpgradeTLS(t.Context(), c, "a.test", &clients.TLSConfig{RootCAs: roots}, nil)
		require.ErrorAs(t, err, new(tls.RecordHeaderError), injected)
		<-c.Done()
		server.playing.Wait()
	}
}

// What a peer sends right before it closes is received, also if the peer resets the connection because it has not read
// everything, and sending has failed (panjf2000/gnet 529).
func TestWhatAPeerSendsBeforeItClosesIsReceived(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems drop what was received before a reset")
	}
	c, nc := pair(t, t.Context(), nil)
	require.NoError(t, c.Out.Send(t.Context(), []byte("register\n")))
	require.NoError(t, c.Out.Flush(t.Context()))
	_, err := io.ReadFull(nc, make([]byte, 1))
	require.NoError(t, err)
	_, err = io.WriteString(nc, "moved to 192.0.2.1\n")
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	for err == nil {
		err = errors.Join(c.Out.Send(t.Context(), []byte("register\n")), c.Out.Flush(t.Context()))
	}
	line, err := codec.Recv(t.Context(), c.In, codec.Lines)
	require.NoError(t, err)
	require.Equal(t, "moved to 192.0.2.1", line)
	_, err = c.In.Recv(t.Context())
	require.Error(t, err)
}

// Values kept ready are replaced when their lifetime is over, without any demand (brettwooldridge/HikariCP 1830).
func TestPoolReplacesWhatIsKeptReadyAtTheEndOfItsLifetime(t *testing.T) {
	cfg := clients.PoolConfig[int]{MaxOpen: 3, MinIdle: 2, MaxLifetime: time.Minute, IdleTimeout: -1}
	pooling(t, &factory{}, cfg, func(t *testing.T, p *clients.Pool[int]) {
		for range 60 {
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, 2, p.Stats().Idle)
		}
		require.Greater(t, p.Stats().Expired, uint64(100))
	})
}

// Some SOCKS servers send only the first bytes of a refusal and then nothing (romis2012/python-socks 46).
func TestSOCKS5UnderstandsARefusalWithoutAnAddress(t *testing.T) {
	for _, reply := range []string{"\x05\x05", "\x05\x05\x00", "\x05\x05\x00\x01"} {
		proxy := &peers{play: script([2]string{"\x05\x01\x00", "\x05\x00"}, [2]string{"\x05\x01\x00\x03\x06a.test\x00\x50", reply})}
		_, err := (&clients.SOCKS5{Addr: "proxy:1080"}).DialThrough(t.Context(), "a.test:80", nil, proxy.dial)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.ErrorAs(t, err, new(*clients.ProxyError))
		proxy.playing.Wait()
	}
}

// The address in a reply may be a name of any length, also a shorter one than an IPv4 address (libtorrent 8321, MailKit
// 1993) or than the name in the request (curl 5527). It arrives in any pieces, and what follows it belongs to the tunnel
// (zephyr 117993).
func TestSOCKS5ReadsAReplyWithAnyAddressToItsEnd(t *testing.T) {
	replies := []string{"\x01\x7f\x00\x00\x01\x00\x50", "\x04" + strings.Repeat("\x00", 15) + "\x01\x00\x50"}
	for _, n := range []int{0, 1, 2, 3, 16, 255} {
		replies = append(replies, "\x03"+string([]byte{byte(n)})+strings.Repeat("n", n)+"\x00\x50")
	}
	for _, reply := range replies {
		answer := "\x05\x00\x00" + reply + "hello"
		for _, bytewise := range []bool{false, true} {
			ln := listen(t)
			go func() {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				_, _ = io.ReadFull(nc, make([]byte, 3))
				_, _ = nc.Write([]byte{5, 0})
				_, _ = io.ReadFull(nc, make([]byte, len("\x05\x01\x00\x03\x06a.test\x00\x50")))
				if !bytewise {
					_, _ = io.WriteString(nc, answer)
					return
				}
				for i := range len(answer) {
					_, _ = io.WriteString(nc, answer[i:i+1])
				}
			}()
			c, err := clients.DialTCP(t.Context(), "a.test:80", &clients.Config{Proxy: &clients.SOCKS5{Addr: ln.Addr().String()}})
			require.NoError(t, err, "%q", reply)
			got, err := io.ReadAll(chanio.NewReader(t.Context(), c.In))
			require.NoError(t, err, "%q", reply)
			require.Equal(t, "hello", string(got), "%q", reply)
			require.NoError(t, c.Close())
		}
	}
}

// The end of the other attempts, or of the ctx of the dial, does not end the connection that has won (golang/go 15035).
func TestDialTCPTheConnectionThatHasWonOutlivesItsDial(t *testing.T) {
	ln := listen(t)
	go serveEcho(ln)
	port := ln.Addr().(*net.TCPAddr).Port
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		c, err := clients.DialTCP(ctx, "a.test:"+strconv.Itoa(port), &clients.Config{
			AttemptDelay: time.Nanosecond,
			Resolver: clients.ResolverFunc(func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")}, nil
			}),
		})
		require.NoError(t, err)
		cancel()
		require.NoError(t, c.Out.Send(t.Context(), []byte("hello")))
		got, err := codec.Recv(t.Context(), c.In, codec.Exactly(5, codec.Bytes))
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		require.NoError(t, c.Close())
	}
}
