package clients_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

// Problems reported by users of similar clients.

// A value that is granted just as its caller gives up goes to the next one.
func TestPoolLosesNothingWhenAGrantMeetsACancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		p := clients.NewPool(func(context.Context) (int, error) { opened++; return opened, nil }, func(int) {}, &clients.PoolConfig[int]{MaxOpen: 1})
		for range 500 {
			l, err := p.Get(t.Context())
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan *clients.Lease[int], 1)
			go func() {
				l, _ := p.Get(ctx)
				got <- l
			}()
			synctest.Wait()
			go cancel()
			go l.Release()
			if second := <-got; second != nil {
				second.Release()
			}
			synctest.Wait()
		}
		require.Equal(t, 1, opened, "nothing was lost or opened instead")
		require.NoError(t, p.Close())
	})
}

// The ctx of the caller that opened a connection does not affect later users of it.
func TestAPooledConnectionOutlivesTheCtxThatOpenedIt(t *testing.T) {
	port, roots, _ := tlsEcho(t, "127.0.0.1")
	p := clients.NewConnPool(func(ctx context.Context) (*chanio.Conn, error) {
		return clients.DialTLS(ctx, "127.0.0.1:"+port, &clients.TLSConfig{RootCAs: roots}, nil)
	}, nil)
	var first *chanio.Conn
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		l, err := p.Get(ctx)
		require.NoError(t, err)
		cancel()
		if first == nil {
			first = l.Value()
		}
		require.Same(t, first, l.Value())
		requireEcho(t, l.Value(), "")
		l.Release()
	}
	require.NoError(t, p.Close())
}

// A reply that arrives after its call has given up is not delivered to the next call on the connection.
func TestClientNeverTakesALateReplyForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := time.Second
		cl := clients.NewClient(func(context.Context) (*chanio.Conn, error) {
			near, far := chaniotest.Pipe(0)
			go func() {
				defer far.Close()
				lines := codec.NewDecoder(far, codec.Lines)
				for {
					line, err := lines.Decode()
					if err != nil {
						return
					}
					time.Sleep(slow)
					if _, err := io.WriteString(far, "re: "+line+"\n"); err != nil {
						return
					}
				}
			}()
			return chanio.NewConn(near, nil), nil
		}, codec.Lines, codec.Lines, nil)
		for _, ask := range []struct {
			line    string
			timeout time.Duration
		}{{"one", time.Hour}, {"two", slow / 2}, {"three", slow / 4}, {"four", time.Hour}, {"five", slow}, {"six", time.Hour}} {
			ctx, cancel := context.WithTimeout(t.Context(), ask.timeout)
			start := time.Now()
			got, err := cl.Call(ctx, ask.line)
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, ask.timeout, time.Since(start))
				continue
			}
			require.Equal(t, "re: "+ask.line, got)
		}
		require.NoError(t, cl.Close())
	})
}

// A call to a peer that reads nothing ends with its ctx, also while others wait before it.
func TestG2ClientCallsHeedTheirCtxWhenThePeerIsClogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := clients.NewClient(func(context.Context) (*chanio.Conn, error) {
			near, far := chaniotest.Pipe(512)
			go func() {
				<-t.Context().Done()
				_ = far.Close()
			}()
			return chanio.NewConn(near, &chanio.ConnConfig{SendBuffer: 512}), nil
		}, codec.Lines, codec.Lines, &clients.ClientConfig[string, string]{Caller: clients.CallerConfig[string]{MaxOutstanding: 4}})
		start := time.Now()
		late := make(chan time.Duration, 20)
		for i := range cap(late) {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Millisecond)
				defer cancel()
				_, err := cl.Call(ctx, string(make([]byte, 2000)))
				if err == nil {
					t.Error("a reply")
				}
				late <- time.Since(start) - time.Duration(i+1)*time.Millisecond
			}()
		}
		for range cap(late) {
			require.Zero(t, <-late)
		}
		require.NoError(t, cl.Close())
	})
}

// slowly relays the messages of a proxy one byte at a time.
type slowly struct{ net.Conn }

func (s slowly) Write(p []byte) (n int, err error) {
	for i := range p {
		time.Sleep(time.Millisecond)
		if m, err := s.Conn.Write(p[i : i+1]); err != nil {
			return n + m, err
		}
		n++
	}
	return n, nil
}

// A proxy's answer may arrive byte by byte.
func TestProxiesMayAnswerByteByByte(t *testing.T) {
	for name, c := range map[string]struct {
		proxy clients.Proxy
		steps [][2]string
	}{
		"HTTP": {&clients.HTTPProxy{Addr: "proxy:1"}, [][2]string{
			{"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n" + okResponse},
		}},
		"SOCKS with a name": {&clients.SOCKS5{Addr: "proxy:1", User: "me"}, [][2]string{
			{"\x05\x02\x00\x02", "\x05\x02"}, {"\x01\x02me\x00", "\x01\x00"},
			{"\x05\x01\x00\x03\x01a\x00\x50", "\x05\x00\x00\x03\x09localhost\x00\x01"},
		}},
		"SOCKS with an empty name": {&clients.SOCKS5{Addr: "proxy:1"}, [][2]string{
			{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x03\x01a\x00\x50", "\x05\x00\x00\x03\x00\x00\x01"},
		}},
	} {
		play := script(c.steps...)
		through(t, c.proxy, "a:80", func(addr string, nc net.Conn) { play(addr, slowly{nc}) }, func(t *testing.T, conn *chanio.Conn, err error) {
			require.NoError(t, err, name)
			requireEcho(t, conn, "")
		})
	}
}
