package clients_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
)

// exchange is a dialogue with a proxy, and its expected result.
type exchange struct {
	steps   [][2]string
	refuses int  // the code of the *ProxyError, or 0
	fails   bool // without a *ProxyError
}

func (e *exchange) step(reads, says string) { e.steps = append(e.steps, [2]string{reads, says}) }

// noise returns up to n random bytes.
func noise(r *rand.Rand, n int) string {
	b := make([]byte, r.IntN(n+1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func socks5Exchange(r *rand.Rand) (clients.Proxy, *exchange) {
	p, e := &clients.SOCKS5{Addr: "proxy:1"}, &exchange{}
	hello := "\x05\x01\x00"
	if oneIn(r, 2) {
		p.User, p.Password = strings.Repeat("u", 1+r.IntN(255)), noise(r, 255)
		hello = "\x05\x02\x00\x02"
	}
	switch method := r.IntN(6); {
	case method < 3 && p.User != "":
		e.step(hello, "\x05\x02")
		login := "\x01" + string([]byte{byte(len(p.User))}) + p.User + string([]byte{byte(len(p.Password))}) + p.Password
		if oneIn(r, 4) {
			e.step(login, "\x01\x07")
			e.refuses = 7
			return p, e
		}
		e.step(login, "\x01\x00")
	case method == 3:
		e.step(hello, "\x05\xff")
		e.refuses = 255
		return p, e
	case method == 4:
		e.step(hello, []string{"\x04\x00", "\x05\x01", "\x05\x80", "HT", "\x05"}[r.IntN(5)])
		e.fails = true
		return p, e
	default:
		e.step(hello, "\x05\x00")
	}
	address := []string{"\x01abcd", "\x04abcdefghijklmnop", "\x03\x00", "\x03" + string([]byte{255}) + strings.Repeat("n", 255)}[r.IntN(4)]
	request := "\x05\x01\x00\x03\x06a.test\x00\x50"
	switch r.IntN(6) {
	case 0:
		e.refuses = 1 + r.IntN(8)
		e.step(request, string([]byte{5, byte(e.refuses), 0})+address+"\x00\x00")
	case 1:
		reply := "\x05\x00\x00" + address + "\x01\x02"
		e.fails = true
		e.step(request, []string{"\x04\x00", "\x05\x00\x00\x02abcdef", reply[:r.IntN(len(reply))]}[r.IntN(3)])
	default:
		e.step(request, "\x05\x00\x00"+address+"\x01\x02")
	}
	return p, e
}

func socks4Exchange(r *rand.Rand) (clients.Proxy, *exchange) {
	p, e := &clients.SOCKS4{Addr: "proxy:1", Names: true}, &exchange{}
	if oneIn(r, 2) {
		p.User = strings.Repeat("u", r.IntN(255))
	}
	request := "\x04\x01\x00\x50\x00\x00\x00\x01" + p.User + "\x00a.test\x00"
	switch r.IntN(5) {
	case 0:
		e.refuses = 91 + r.IntN(3)
		e.step(request, string([]byte{0, byte(e.refuses)})+"abcdef")
	case 1:
		e.fails = true
		e.step(request, []string{"\x05\x5aabcdef", "HTTP/1.1", "\x00\x5aabcde", ""}[r.IntN(4)])
	default:
		e.step(request, "\x00\x5aabcdef")
	}
	return p, e
}

func httpExchange(r *rand.Rand) (clients.Proxy, *exchange) {
	p, e := &clients.HTTPProxy{Addr: "proxy:1"}, &exchange{}
	request := "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n"
	if oneIn(r, 2) {
		p.User, p.Password = "Aladdin", "open sesame"
		request = strings.TrimSuffix(request, "\r\n") + "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
	}
	eol := []string{"\r\n", "\n"}[r.IntN(2)]
	head := func(code int) string {
		h := fmt.Sprintf("HTTP/1.%d %d Something%s", r.IntN(2), code, eol)
		for i := range r.IntN(4) {
			h += fmt.Sprintf("X-%d: %s%s", i, strings.Repeat("v", r.IntN(300)), eol)
		}
		return h + eol
	}
	before := ""
	for range r.IntN(3) {
		before += head(100 + r.IntN(4))
	}
	switch r.IntN(5) {
	case 0:
		e.refuses = []int{301, 403, 407, 500, 502, 599}[r.IntN(6)]
		e.step(request, before+head(e.refuses))
	case 1:
		e.fails = true
		whole := before + head(200)
		e.step(request, []string{
			whole[:r.IntN(len(whole))], "SSH-2.0-x\r\n\r\n", "HTTP/1.1 20 x\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n", strings.Replace(head(200), " ", "\x00", 1),
			"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("v", 20000) + "\r\n\r\n",
		}[r.IntN(6)])
	default:
		e.step(request, before+head(200+r.IntN(2)*4))
	}
	return p, e
}

// Whatever a proxy sends, in pieces of any size, results in a tunnel that starts with the first byte after its reply,
// or in an error of the right kind and no connection.
func TestProxiesMaySayAnythingInAnyPieces(t *testing.T) {
	modelled(t, func(t *testing.T, r *rand.Rand) {
		synctest.Test(t, func(t *testing.T) {
			exchangeOf := []func(*rand.Rand) (clients.Proxy, *exchange){socks5Exchange, socks4Exchange, httpExchange}[r.IntN(3)]
			p, e := exchangeOf(r)
			runProxy(t, r, p, e)
		})
	})
}

func runProxy(t *testing.T, r *rand.Rand, p clients.Proxy, e *exchange) {
	first := noise(r, 300)
	near, far := chaniotest.Pipe([]int{0, 16}[r.IntN(2)])
	over := make(chan string, 1)
	go func() {
		defer far.Close()
		over <- playProxy(far, rand.New(rand.NewPCG(r.Uint64(), 0)), e, first)
	}()
	synctest.Wait()
	conns := 0
	c, err := p.DialThrough(t.Context(), "a.test:80", nil, func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) {
		conns++
		return chanio.NewConn(near, nil), nil
	})
	require.Equal(t, 1, conns)
	var refused *clients.ProxyError
	switch {
	case e.refuses > 0:
		require.ErrorAs(t, err, &refused, "%q", e.steps)
		require.Equal(t, e.refuses, refused.Code)
		require.Equal(t, "a.test:80", refused.Addr)
	case e.fails:
		require.Error(t, err, "%q", e.steps)
		require.False(t, errors.As(err, &refused), "%q: %v", e.steps, err)
	default:
		require.NoError(t, err, "%q", e.steps)
	}
	if err != nil {
		require.Nil(t, c)
		require.ErrorAs(t, err, new(*net.OpError))
		<-over
		return
	}
	require.NoError(t, c.Out.Send(t.Context(), []byte("ping")))
	require.NoError(t, c.Out.Close())
	var got []byte
	for chunk := range c.In.All(t.Context()) {
		got = append(got, chunk...)
	}
	require.NoError(t, c.In.Err())
	require.Equal(t, first+"ping", string(got))
	require.Empty(t, <-over)
}

// playProxy plays the proxy, then its target, which sends first and echoes. It returns an error for wrong requests.
func playProxy(nc net.Conn, r *rand.Rand, e *exchange, first string) string {
	for i, step := range e.steps {
		got := make([]byte, len(step[0]))
		if _, err := io.ReadFull(nc, got); err != nil || string(got) != step[0] {
			return fmt.Sprintf("step %d: got %q, %v, want %q", i, got, err, step[0])
		}
		says := step[1]
		if i == len(e.steps)-1 && e.refuses == 0 && !e.fails {
			says += first
		}
		for len(says) > 0 {
			n := 1 + r.IntN(len(says))
			if oneIn(r, 3) {
				time.Sleep(upTo(r, time.Second))
			}
			if _, err := io.WriteString(nc, says[:n]); err != nil {
				return err.Error()
			}
			says = says[n:]
		}
	}
	if e.refuses > 0 || e.fails {
		return ""
	}
	_, err := io.Copy(nc, nc)
	if err != nil {
		return err.Error()
	}
	return ""
}
