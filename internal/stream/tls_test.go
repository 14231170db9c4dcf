package stream_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/memconn"
	"github.com/weir-go/weir/internal/stream"
)

// client is a TLS 1.3 client that builds its own records after the handshake.
type client struct {
	nc     net.Conn
	low    *stream.Stream // of the server
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func label(t *testing.T, secret []byte, name string, n int) []byte {
	name = "tls13 " + name
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(append(info, byte(len(name))), name...), 0)
	out, err := hkdf.Expand(sha256.New, secret, string(info), n)
	require.NoError(t, err)
	return out
}

func (c *client) use(t *testing.T, secret []byte) {
	c.secret, c.seq = secret, 0
	b, err := aes.NewCipher(label(t, secret, "key", 16))
	require.NoError(t, err)
	c.aead, err = cipher.NewGCM(b)
	require.NoError(t, err)
	c.iv = label(t, secret, "iv", 12)
}

func (c *client) record(typ byte, p []byte) []byte {
	inner := append(bytes.Clone(p), typ)
	head := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+16))
	nonce := bytes.Clone(c.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(c.seq >> (56 - 8*i))
	}
	c.seq++
	return c.aead.Seal(head, nonce, inner, head)
}

// keyUpdate sends a key update that requests one in return.
func (c *client) keyUpdate(t *testing.T) []byte {
	p := c.record(22, []byte{24, 0, 0, 1, 1})
	c.use(t, label(t, c.secret, "traffic upd", 32))
	return p
}

// rawClient returns a client and the Stream of its server.
func rawClient(t *testing.T) (*client, *stream.Stream) {
	near, far := memconn.Pipe(0)
	server, cfg := tlsConfigs()
	cfg = cfg.Clone()
	var keys bytes.Buffer
	cfg.KeyLogWriter, cfg.MinVersion = &keys, tls.VersionTLS13
	handshake := make(chan error, 1)
	nc := tls.Client(far, cfg)
	go func() { handshake <- nc.Handshake() }()
	low := stream.New(near, config(nil))
	s, err := stream.TLSServer(bg, lowerOf(low), server, false)
	require.NoError(t, err)
	require.NoError(t, <-handshake)
	if id := nc.ConnectionState().CipherSuite; id != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("needs AES in hardware: ", tls.CipherSuiteName(id))
	}
	c := &client{nc: far, low: low}
	for line := range strings.Lines(keys.String()) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			require.NoError(t, err)
			c.use(t, secret)
		}
	}
	require.NotNil(t, c.aead)
	return c, stream.New(s, config(nil))
}

func TestAPeerThatMakesUsAnswerAndTakesNoAnswersIsCutOff(t *testing.T) {
	c, s := rawClient(t)
	defer s.Abort(nil)
	ended := make(chan error, 1)
	go func() {
		_, err := readAll(s)
		ended <- err
	}()
	updates := 0
	for {
		var p []byte
		for range 10 {
			p = append(p, c.keyUpdate(t)...)
			updates++
		}
		p = append(p, c.record(23, []byte("x"))...)
		_ = c.nc.SetWriteDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.nc.Write(p); err != nil || len(ended) > 0 {
			break
		}
		require.Less(t, updates, 100000)
	}
	err := <-ended
	require.ErrorContains(t, err, "takes no answers")
	answers := int64(updates) * 27 // bytes
	require.Less(t, answers, int64(64<<10+64<<10+16<<10+16<<10+100<<10), "room in the pipe, room below, what is kept, and what was under way")
}

func TestAPeerThatIsCutOffNeedNotSendMore(t *testing.T) {
	c, s := rawClient(t)
	defer s.Abort(nil)
	ended := make(chan error, 1)
	go func() {
		_, err := readAll(s)
		ended <- err
	}()
	for read := c.low.BytesIn(); len(ended) == 0; {
		p := append(c.record(23, []byte("x")), c.keyUpdate(t)...)
		_, err := c.nc.Write(p)
		require.NoError(t, err)
		for read += int64(len(p)); c.low.BytesIn() < read && len(ended) == 0; {
			runtime.Gosched()
		}
	}
	require.ErrorContains(t, <-ended, "takes no answers")
}

func TestAnEndWithoutCloseNotifyIsNoCleanEnd(t *testing.T) {
	for _, accept := range []bool{false, true} {
		near, far := memconn.Pipe(0)
		server, cfg := tlsConfigs()
		nc := tls.Client(far, cfg)
		go func() {
			_, _ = nc.Write([]byte("hello"))
			_ = far.CloseWrite()
		}()
		s, err := stream.TLSServer(bg, lowerOf(stream.New(near, config(nil))), server, accept)
		require.NoError(t, err)
		x := stream.New(s, config(nil))
		got, err := readAll(x)
		require.Equal(t, "hello", string(got))
		if accept {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
		_ = far.Close()
		x.Abort(nil)
	}
}

func TestAHandshakeHeedsItsCtxAndAbortsWhatLiesBelow(t *testing.T) {
	near, far := memconn.Pipe(0)
	defer far.Close()
	server, _ := tlsConfigs()
	below := stream.New(near, config(nil))
	ctx, cancel := context.WithCancelCause(bg)
	time.AfterFunc(20*time.Millisecond, func() { cancel(errTest) })
	_, err := stream.TLSServer(ctx, lowerOf(below), server, false)
	require.ErrorIs(t, err, errTest)
	<-below.Released()
}

func TestWhatBoundedTheLowerStreamBeforeIsForgotten(t *testing.T) {
	synctest.Test(t, testForgetsBounds)
}

func testForgetsBounds(t *testing.T) {
	p, q := memconn.Pipe(0)
	defer q.Close()
	server, cfg := tlsConfigs()
	below := stream.New(p, config(&stream.Config{IdleTimeout: 100 * time.Millisecond}))
	ctx, cancel := context.WithCancel(bg)
	time.AfterFunc(10*time.Millisecond, func() { _, _ = q.Write([]byte("STARTTLS\n")) })
	line, err := below.In.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, "STARTTLS\n", string(line))
	below.In.SetDeadline(time.Now().Add(100 * time.Millisecond))
	below.Out.SetDeadline(time.Now().Add(100 * time.Millisecond))
	nc := tls.Client(q, cfg)
	go nc.Handshake()
	s, err := stream.TLSServer(bg, lowerOf(below), server, false)
	require.NoError(t, err)
	cancel()
	x := stream.New(s, config(nil))
	defer x.Abort(nil)
	go func() {
		time.Sleep(200 * time.Millisecond)
		_, _ = nc.Write([]byte("hello"))
	}()
	got, err := x.In.Next(bg)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	require.NoError(t, x.Out.Send(bg, make([]byte, 100)))
	require.NoError(t, x.Out.Flush(bg))
}

func TestTLSIsANetConn(t *testing.T) {
	near, far := memconn.Pipe(1000)
	server, cfg := tlsConfigs()
	nc := tls.Client(far, cfg)
	handshake := make(chan error, 1)
	go func() { handshake <- nc.Handshake() }()
	s, err := stream.TLSServer(bg, lowerOf(stream.New(near, config(nil))), server, false)
	require.NoError(t, err)
	require.NoError(t, <-handshake)
	require.NoError(t, s.SetDeadline(time.Now().Add(20*time.Millisecond)))
	_, err = s.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	n, err := s.Write(make([]byte, 1<<20))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Positive(t, n)
	require.NoError(t, s.SetDeadline(time.Time{}))
	received := make(chan int, 1)
	go func() {
		all, _ := io.ReadAll(nc)
		received <- len(all)
	}()
	m, err := s.Write(make([]byte, 100))
	require.NoError(t, err)
	require.Equal(t, 100, m)
	require.NoError(t, s.CloseWrite())
	require.NoError(t, s.Flush(bg))
	require.Equal(t, n+m, <-received)
	require.NoError(t, nc.Close())
	require.NoError(t, s.Close())
}

func TestTryReadOfTLSReadsAllRecordsThatHaveArrived(t *testing.T) {
	p, q := memconn.Pipe(0)
	a, b := stream.New(p, config(nil)), stream.New(q, config(nil))
	server, client := tlsConfigs()
	accepted := make(chan *stream.TLS)
	go func() {
		y, _ := stream.TLSServer(bg, lowerOf(b), server, false)
		accepted <- y
	}()
	x, err := stream.TLSClient(bg, lowerOf(a), client, false)
	require.NoError(t, err)
	y := <-accepted
	require.NotNil(t, y)
	defer y.Abort()
	defer x.Abort()
	for _, record := range []string{"ab", "cd", "ef"} {
		_, err := x.Write([]byte(record))
		require.NoError(t, err)
	}
	require.NoError(t, x.Flush(bg))
	buf := make([]byte, 10)
	n, err := y.Read(buf[:1])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 5, y.TryRead(buf[1:]))
	require.Equal(t, "abcdef", string(buf[:6]))
	require.Zero(t, y.TryRead(buf))
}
