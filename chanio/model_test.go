package chanio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

var modelSeed = flag.Uint64("model.seed", 0, "run the random model test with this seed alone")

// The model is a chain of two connections. Bytes go both ways from end to end, in every way that the package has, and
// are moved in the middle in every way too, each bounded by contexts and deadlines that end at random. After a clean end
// exactly what was accepted has arrived. After an abort, a start of it has. Then everything is released, each Conn once.
func TestRandomRoutesAgreeWithAModel(t *testing.T) {
	seeds := []uint64{*modelSeed}
	if *modelSeed == 0 {
		n := 4
		if os.Getenv("WEIR_LONG") == "1" {
			n = 40
		}
		for range n {
			seeds = append(seeds, rand.Uint64())
		}
		seeds = seeds[1:]
	}
	warm, far := tcpPair(t) // the poller's own descriptors
	abortAfter(t, warm, far)
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			chaniotest.NoLeak(t)
			files := openFiles()
			runModel(t, rand.New(rand.NewPCG(seed, 1)))
			for range 300 {
				if openFiles() <= files {
					return
				}
				runtime.GC()
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("%d descriptors before, %d after", files, openFiles())
		})
	}
}

// openFiles returns the number of open descriptors, if the system reports it.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// routeModel is one run. The chain is conns[0] to conns[1], in the middle to conns[2], and that to conns[3].
type routeModel struct {
	t     *testing.T
	kinds [2]string
	conns [4]*chanio.Conn

	aborts   bool
	releases [8]atomic.Int32
	calls    atomic.Int32 // functions given to OnDone and OnDrain that have not been called
}

var errModel = errors.New("aborted by the model")

func runModel(t *testing.T, rnd *rand.Rand) {
	m := &routeModel{t: t, aborts: rnd.IntN(3) == 0}
	for i := range m.kinds {
		m.kinds[i] = m.connect(2*i, rnd)
	}
	t.Log(m.kinds, "aborts:", m.aborts)
	done := make(chan struct{})
	watchdog := time.AfterFunc(90*time.Second, func() {
		buf := make([]byte, 4<<20)
		panic(fmt.Sprintf("%s %v hangs\n%s", t.Name(), m.kinds, buf[:runtime.Stack(buf, true)]))
	})
	defer watchdog.Stop()
	var work sync.WaitGroup
	var sent [2]int64
	var sendErrs [2]error
	var got [2]int64
	var gotErrs [2]error
	spawn := func(f func(rnd *rand.Rand)) {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 2))
		work.Go(func() { f(rnd) })
	}
	for way := range 2 {
		from, to := m.conns[0], m.conns[3]
		a, b := m.conns[1], m.conns[2]
		if way == 1 {
			from, to, a, b = to, from, b, a
		}
		spawn(func(rnd *rand.Rand) { sent[way], sendErrs[way] = m.send(rnd, way, from) })
		spawn(func(rnd *rand.Rand) { m.move(rnd, a, b) })
		spawn(func(rnd *rand.Rand) { got[way], gotErrs[way] = m.receive(rnd, way, to) })
	}
	var meddlers sync.WaitGroup
	for _, c := range m.conns {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 3))
		meddlers.Go(func() { m.meddle(rnd, c, done) })
	}
	if m.aborts {
		spawn(func(rnd *rand.Rand) { m.abort(rnd) })
	}
	work.Wait()
	close(done)
	meddlers.Wait()
	var closing sync.WaitGroup
	for _, c := range m.conns {
		for range 1 + rnd.IntN(2) {
			closing.Go(func() { _ = c.Close() })
		}
	}
	closing.Wait()
	for way := range 2 {
		if m.aborts {
			continue
		}
		require.NoError(t, sendErrs[way])
		require.Equal(t, io.EOF, gotErrs[way])
		require.Equal(t, sent[way], got[way], "way %d", way)
	}
	for _, c := range m.conns {
		<-c.Done()
		if !m.aborts {
			require.NoError(t, c.Cause())
			require.NoError(t, c.Out.Err())
			require.NoError(t, c.In.Err())
		}
	}
	for range 500 {
		if m.calls.Load() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.Zero(t, m.calls.Load(), "functions given to OnDone were not called")
	for i := range m.releases {
		require.LessOrEqual(t, m.releases[i].Load(), int32(1))
	}
}

func (m *routeModel) config(i int, rnd *rand.Rand) *chanio.ConnConfig {
	m.releases[i].Store(0)
	return &chanio.ConnConfig{
		Linger:     10 * time.Second,
		SendBuffer: []int{0, 1, 3000, 40 << 10}[rnd.IntN(4)],
		Coalesce:   []time.Duration{0, -1, time.Millisecond}[rnd.IntN(3)],
		OnRelease:  func(*chanio.Conn) { m.releases[i].Add(1) },
		Logger:     slog.New(slog.DiscardHandler),
	}
}

// connect makes conns i and i+1, and returns how.
func (m *routeModel) connect(i int, rnd *rand.Rand) string {
	t := m.t
	kinds := []string{"pipe", "tcp", "tcp", "unix", "tls", "tls", "cryptotls", "foreign", "logged", "of", "netconn", "tlsoverpipe"}
	kind := kinds[rnd.IntN(len(kinds))]
	a, b := m.config(i, rnd), m.config(i+1, rnd)
	low := func() (near, far *chanio.Conn) {
		x, y := socketPair(t, "tcp", "127.0.0.1:0")
		if rnd.IntN(2) == 0 {
			_ = y.(*net.TCPConn).SetReadBuffer(128 << 10)
			_ = x.(*net.TCPConn).SetReadBuffer(128 << 10)
		}
		c, d := m.config(i+4, rnd), m.config(i+5, rnd)
		return chanio.NewConn(x, c), chanio.NewConn(y, d)
	}
	var x, y net.Conn
	switch kind {
	case "pipe":
		x, y = chaniotest.Pipe([]int{0, 100, 700}[rnd.IntN(3)])
	case "tcp":
		x, y = socketPair(t, "tcp", "127.0.0.1:0")
		if rnd.IntN(2) == 0 {
			_ = x.(*net.TCPConn).SetReadBuffer(128 << 10)
			_ = y.(*net.TCPConn).SetWriteBuffer(16 << 10)
		}
	case "unix":
		dir, err := os.MkdirTemp("", "weir")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		x, y = socketPair(t, "unix", filepath.Join(dir, "s"))
	case "foreign":
		p, q := chaniotest.Pipe(0)
		x, y = foreignConn{p, p.(closeWriter)}, foreignConn{q, q.(closeWriter)}
	case "logged":
		p, q := socketPair(t, "tcp", "127.0.0.1:0")
		var log logbook
		x, y = chanio.LogActivity(p, log.logger(), slog.LevelInfo, 0), q
	case "cryptotls":
		x, y = cryptoTLSConns(t)
	case "netconn":
		near, far := low()
		x, y = struct{ net.Conn }{chanio.AsNetConn(near)}, struct{ net.Conn }{chanio.AsNetConn(far)}
		x, y = foreignConn{x, x.(struct{ net.Conn }).Conn.(closeWriter)}, foreignConn{y, y.(struct{ net.Conn }).Conn.(closeWriter)}
	case "of":
		near, far := low()
		m.conns[i] = chanio.ConnOf(near.In, near.Out, &chanio.ConnInfo{
			Released: near.Released, SetReadDeadline: near.SetReadDeadline, SetWriteDeadline: near.SetWriteDeadline, EndIn: near.EndIn,
		})
		m.conns[i+1] = chanio.ConnOf(far.In, far.Out, &chanio.ConnInfo{Released: far.Released})
		return kind
	case "tls", "tlsoverpipe":
		near, far := low()
		if kind == "tlsoverpipe" {
			near.Abort(nil)
			far.Abort(nil)
			<-near.Done()
			<-far.Done()
			for j := range m.releases {
				m.releases[j].Store(0)
			}
			near, far = chanio.Pipe()
		}
		used(t, rnd, near, far)
		serverConfig, clientConfig := selfSigned()
		clientConfig = clientConfig.Clone()
		clientConfig.MaxVersion = []uint16{tls.VersionTLS12, tls.VersionTLS13}[rnd.IntN(2)]
		shaken := make(chan error, 1)
		go func() {
			var err error
			m.conns[i+1], err = chanio.TLSServer(context.Background(), far, serverConfig, b)
			shaken <- err
		}()
		var err error
		m.conns[i], err = chanio.TLSClient(context.Background(), near, clientConfig, a)
		require.NoError(t, err)
		require.NoError(t, <-shaken)
		return kind
	}
	m.conns[i], m.conns[i+1] = chanio.NewConn(x, a), chanio.NewConn(y, b)
	return kind
}

// used exchanges a line over two Conns, in a way that leaves contexts, deadlines and channels behind.
func used(t *testing.T, rnd *rand.Rand, near, far *chanio.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if rnd.IntN(2) == 0 {
		_ = near.SetReadDeadline(time.Now().Add(time.Hour))
	}
	if rnd.IntN(2) == 0 {
		near.Out.C(ctx) <- []byte("x") // sent before the handshake
	} else {
		require.NoError(t, near.Out.Send(ctx, []byte("x")))
	}
	v, err := far.In.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "x", string(v))
	if rnd.IntN(2) == 0 {
		_ = far.SetReadDeadline(time.Unix(1, 0))
		_ = far.SetWriteDeadline(time.Unix(1, 0))
	}
}

// bytesOfWay fills p with the bytes of a way from off on.
func bytesOfWay(way int, off int64, p []byte) {
	for i := range p {
		at := off + int64(i)
		p[i] = byte(at*7 + at>>8*13 + at>>16*31 + int64(way)*101)
	}
}

func size(rnd *rand.Rand) int {
	switch rnd.IntN(10) {
	case 0:
		return 0
	case 1:
		return rnd.IntN(300 << 10)
	case 2:
		return 15<<10 + rnd.IntN(3<<10)
	case 3, 4:
		return rnd.IntN(9000)
	}
	return rnd.IntN(100)
}

// brief returns a ctx that may end soon.
func brief(rnd *rand.Rand) (context.Context, context.CancelFunc) {
	switch rnd.IntN(4) {
	case 0:
		return context.WithTimeout(context.Background(), time.Duration(rnd.IntN(2000))*time.Microsecond)
	case 1:
		ctx, cancel := context.WithCancelCause(context.Background())
		t := time.AfterFunc(time.Duration(rnd.IntN(1000))*time.Microsecond, func() { cancel(io.EOF) })
		return ctx, func() { t.Stop(); cancel(nil) }
	}
	return context.WithCancel(context.Background())
}

// over reports whether err ends the stream.
func over(ctx context.Context, err error) bool { return err != nil && !chanio.Resumable(ctx, err) }

// send sends bytes in all ways, closes, and returns how many were accepted.
func (m *routeModel) send(rnd *rand.Rand, way int, c *chanio.Conn) (n int64, err error) {
	rounds := 20 + rnd.IntN(60)
	for range rounds {
		p := make([]byte, size(rnd))
		bytesOfWay(way, n, p)
		ctx, cancel := brief(rnd)
		switch rnd.IntN(7) {
		case 0:
			var ok bool
			if ok, err = c.Out.TrySend(p); ok {
				n += int64(len(p))
			}
		case 1:
			cut := rnd.IntN(len(p) + 1)
			vs := [][]byte{p[:cut], p[cut:]}
			var k int
			k, err = c.Out.SendAll(ctx, vs...)
			for _, v := range vs[:k] {
				n += int64(len(v))
			}
		case 2:
			own, stop := context.WithCancel(context.Background())
			ch := c.Out.C(own)
			for len(p) > 0 {
				k := 1 + rnd.IntN(len(p))
				select {
				case ch <- p[:k:k]:
				case <-c.Done(): // after which nothing takes it
				}
				p = p[k:]
				n += int64(k)
			}
			if rnd.IntN(2) == 0 {
				stop()
			}
			err = c.Out.Flush(context.Background())
			stop()
			if chanio.Resumable(context.Background(), err) { // of a write deadline
				err = m.flush(c)
			}
		case 3:
			w := chanio.NewWriter(ctx, c.Out)
			var k int
			k, err = w.Write(p)
			n += int64(k)
		case 4:
			var k int64
			k, err = m.sendFile(ctx, rnd, c, p)
			n += k
		default:
			if err = c.Out.Send(ctx, p); err == nil {
				n += int64(len(p))
				clear(p)
			}
		}
		ended := over(ctx, err)
		cancel()
		if ended {
			return n, err
		}
	}
	if rnd.IntN(2) == 0 {
		ch := c.Out.C(context.Background())
		p := make([]byte, 1+rnd.IntN(50))
		bytesOfWay(way, n, p)
		select {
		case ch <- p:
		case <-c.Done():
		}
		n += int64(len(p))
		close(ch)
	}
	return n, c.Out.Close()
}

func (m *routeModel) flush(c *chanio.Conn) error {
	for {
		err := c.Out.Flush(context.Background())
		if !chanio.Resumable(context.Background(), err) {
			return err
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// sendFile sends p from a file.
func (m *routeModel) sendFile(ctx context.Context, rnd *rand.Rand, c *chanio.Conn, p []byte) (int64, error) {
	f, err := os.CreateTemp("", "weir")
	if err != nil {
		return 0, nil
	}
	defer os.Remove(f.Name())
	skip := rnd.IntN(5)
	_, _ = f.Write(append(make([]byte, skip), p...))
	src := chanio.FromFile(f, int64(skip), []int64{-1, int64(len(p))}[rnd.IntN(2)], f.Close)
	defer src.Close()
	defer f.Close()
	return chanio.Transfer(ctx, src, c.Out)
}

// move moves everything from a to b.
func (m *routeModel) move(rnd *rand.Rand, a, b *chanio.Conn) {
	bg := context.Background()
	fail := func(err error) {
		a.Abort(err)
		b.Abort(err)
	}
	for {
		ctx, cancel := brief(rnd)
		var err error
		switch rnd.IntN(7) {
		case 0:
			for range rnd.IntN(20) {
				var v []byte
				if v, err = a.In.Recv(ctx); err != nil {
					break
				}
				if err = m.sendSurely(rnd, b, v); err != nil {
					fail(err)
					cancel()
					return
				}
			}
		case 1:
			for v := range a.In.C(ctx) {
				if err := m.sendSurely(rnd, b, v); err != nil {
					fail(err)
					cancel()
					return
				}
				if rnd.IntN(20) == 0 {
					cancel()
				}
			}
			if err = a.In.Err(); err == nil {
				err = io.EOF
			}
		case 2:
			for v, e := range a.In.Values(ctx) {
				if err = e; err != nil {
					break
				}
				if err := m.sendSurely(rnd, b, v); err != nil {
					fail(err)
					cancel()
					return
				}
				if rnd.IntN(20) == 0 {
					break
				}
			}
		case 3:
			v, ok, e := a.In.TryRecv()
			if err = e; ok {
				err = m.sendSurely(rnd, b, v)
			}
		case 4:
			own, stop := context.WithCancel(bg)
			ch := b.Out.C(own)
			for range rnd.IntN(20) {
				var v []byte
				if v, err = a.In.Recv(ctx); err != nil {
					break
				}
				select {
				case ch <- v:
				case <-b.Done():
				}
			}
			if rnd.IntN(2) == 0 {
				stop()
			}
			if err := m.flush(b); err != nil {
				stop()
				fail(err)
				cancel()
				return
			}
			stop()
		default:
			_, err = chanio.Transfer(ctx, a.In, b.Out)
			if err == nil {
				err = io.EOF
			}
		}
		resumable := chanio.Resumable(ctx, err)
		cancel()
		switch {
		case err == io.EOF:
			if err := b.Out.Close(); err != nil {
				fail(err)
			}
			return
		case err != nil && !resumable:
			fail(err)
			return
		}
	}
}

// sendSurely sends v, perhaps in several tries.
func (m *routeModel) sendSurely(rnd *rand.Rand, c *chanio.Conn, v []byte) error {
	for {
		ctx, cancel := brief(rnd)
		err := c.Out.Send(ctx, v)
		again := chanio.Resumable(ctx, err)
		cancel()
		if !again {
			return err
		}
	}
}

// receive receives in all ways until the end, and returns how much.
func (m *routeModel) receive(rnd *rand.Rand, way int, c *chanio.Conn) (n int64, err error) {
	var want []byte
	take := func(p []byte) {
		want = append(want[:0], p...)
		bytesOfWay(way, n, want)
		if string(want) != string(p) {
			panic(fmt.Sprintf("%s %v: way %d: wrong bytes in %d bytes at %d", m.t.Name(), m.kinds, way, len(p), n))
		}
		n += int64(len(p))
	}
	for {
		ctx, cancel := brief(rnd)
		switch rnd.IntN(6) {
		case 0:
			for p := range c.In.C(ctx) {
				take(p)
				if rnd.IntN(30) == 0 {
					cancel()
				}
			}
			if err = c.In.Err(); err == nil {
				err = io.EOF
			}
		case 1:
			var up chanio.Upstream[[]byte]
			if up, err = c.In.Acquire(ctx, "model"); err != nil {
				break
			}
			in := up.Bytes()
			if rnd.IntN(2) == 0 {
				buf := make([]byte, 1+rnd.IntN(30000))
				var k int
				k, err = in.Read(ctx, buf)
				take(buf[:k])
			} else if err = in.Fill(ctx, 1+rnd.IntN(50000)); err == nil {
				p := in.Buffered()
				p = p[:rnd.IntN(len(p)+1)]
				take(p)
				in.Discard(len(p))
				if len(p) > 10 && rnd.IntN(3) == 0 {
					n -= 10
					up.Unread(append([]byte(nil), p[len(p)-10:]...))
				}
			}
			if err != nil {
				if err = up.Fail(ctx, err); err == io.EOF {
					take(in.Buffered()) // Fill asks for more than that
				}
			}
			up.Release()
			if rnd.IntN(5) == 0 {
				time.Sleep(time.Millisecond)
			}
		case 2:
			for p := range c.In.All(ctx) {
				take(p)
				if rnd.IntN(10) == 0 {
					break
				}
			}
			err = nil
		case 3:
			var p []byte
			var ok bool
			if p, ok, err = c.In.TryRecv(); ok {
				take(p)
			}
		default:
			var p []byte
			if p, err = c.In.Recv(ctx); err == nil {
				take(p)
			}
		}
		ended := over(ctx, err)
		cancel()
		if ended {
			return n, err
		}
	}
}

// meddle makes calls that must have no effect.
func (m *routeModel) meddle(rnd *rand.Rand, c *chanio.Conn, done <-chan struct{}) {
	for {
		select {
		case <-done:
			_ = c.SetReadDeadline(time.Time{})
			_ = c.SetWriteDeadline(time.Time{})
			return
		case <-time.After(time.Duration(rnd.IntN(2000)) * time.Microsecond):
		}
		switch rnd.IntN(9) {
		case 0:
			ctx, cancel := brief(rnd)
			go func() { time.Sleep(time.Millisecond); cancel() }()
			_ = c.Out.Flush(ctx)
		case 1:
			uncork := c.Out.Cork()
			time.Sleep(time.Duration(rnd.IntN(500)) * time.Microsecond)
			uncork()
		case 2:
			_ = c.SetWriteDeadline(time.Now().Add(time.Duration(rnd.IntN(500)) * time.Microsecond))
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Microsecond)
			_ = c.SetWriteDeadline(time.Time{})
		case 3:
			_ = c.SetReadDeadline(time.Now().Add(time.Duration(rnd.IntN(500)) * time.Microsecond))
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Microsecond)
			_ = c.SetReadDeadline(time.Time{})
		case 4:
			_, _ = c.Stats(), c.Buffered()
			_, _ = c.In.Describe(), c.Out.Describe()
		case 5:
			m.calls.Add(1)
			c.Out.OnDone(func() {
				defer m.calls.Add(-1)
				m.calls.Add(1)
				c.Out.OnDone(func() { m.calls.Add(-1) })
			})
		case 6:
			m.calls.Add(1)
			stop := c.In.OnDone(func() { m.calls.Add(-1) })
			if rnd.IntN(2) == 0 && stop() {
				m.calls.Add(-1)
			}
		case 7:
			_ = c.TLS()
			_, _ = c.LocalAddr(), c.RemoteAddr()
		case 8:
			c.OnDrain(func(error) {})()
		}
	}
}

// abort ends the chain somewhere, at some time, in some way.
func (m *routeModel) abort(rnd *rand.Rand) {
	c := m.conns[rnd.IntN(4)]
	time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
	cause := []error{nil, io.EOF, context.Canceled, errModel, net.ErrClosed}[rnd.IntN(5)]
	switch rnd.IntN(7) {
	case 0:
		c.Out.Abort(cause)
	case 1:
		_ = c.In.Close()
		_ = c.Out.Close()
	case 2:
		stop := c.Out.End().BeforeClose(func(context.Context) error { c.Abort(cause); return nil })
		_ = c.Out.Close()
		stop()
	case 3:
		c.EndIn(errModel)
		c.Abort(cause)
	case 4:
		c.Out.OnDone(func() { c.Abort(cause) })
		_ = c.Out.Close()
	case 5:
		stop := c.Out.End().BeforeClose(func(context.Context) error { runtime.Goexit(); return nil })
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = c.Out.Close()
		}()
		<-done
		stop()
	default:
		c.Abort(cause)
	}
	c.Abort(cause)
	_ = c.Close()
}
