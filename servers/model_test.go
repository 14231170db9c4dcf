package servers_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers"
)

// wildServer is a Listener whose hooks, handlers and clients misbehave at random, until calm is set.
type wildServer struct {
	*rand.Rand
	cfg     servers.Config
	proxied bool
	connect func(ctx context.Context) (net.Conn, error)

	mu             sync.Mutex
	calm           bool
	running        int            // handlers
	perIP          map[string]int // of them
	opened, closed int
	answered       map[string]bool // by line: a reply was sent
	trouble        []string
}

func (s *wildServer) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.IntN(n)
}

// does returns true once in n times, and never when everybody is calm.
func (s *wildServer) does(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.calm && s.IntN(n) == 0
}

func (s *wildServer) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = append(s.trouble, fmt.Sprintf(format, args...))
}

func (s *wildServer) hooks() *servers.Hooks {
	return &servers.Hooks{
		Opened: func(c *chanio.Conn, _ time.Duration) {
			s.mu.Lock()
			s.opened++
			s.mu.Unlock()
			switch {
			case s.does(10):
				c.Out.Abort(errors.New("rejected"))
			case s.does(20):
				panic("opened")
			}
		},
		Closed: func(*chanio.Conn) {
			s.mu.Lock()
			s.closed++
			s.mu.Unlock()
			if s.does(20) {
				panic("closed")
			}
		},
	}
}

func (s *wildServer) wrap(nc net.Conn) net.Conn {
	switch {
	case s.does(15):
		return nil
	case s.does(20):
		panic("wrap")
	}
	return nc
}

// enters counts a handler, and leaves takes that back.
func (s *wildServer) enters(c *chanio.Conn, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ip, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	s.running += by
	s.perIP[ip] += by
	if most := s.cfg.MaxConns; most > 0 && s.running > most {
		s.trouble = append(s.trouble, fmt.Sprint(s.running, " handlers are running"))
	}
	if most := s.cfg.MaxPerIP; s.proxied && most > 0 && s.perIP[ip] > most {
		s.trouble = append(s.trouble, fmt.Sprint(s.perIP[ip], " handlers are running for ", ip))
	}
}

// handle answers lines.
func (s *wildServer) handle(ctx context.Context, c *chanio.Conn) error {
	s.enters(c, 1)
	defer s.enters(c, -1)
	lines := bufio.NewScanner(chanio.NewReader(ctx, c.In))
	for lines.Scan() {
		switch time.Sleep(time.Duration(s.roll(300)) * time.Millisecond); {
		case s.does(20):
			panic("handler")
		case s.does(20):
			return errors.New("it is enough")
		case s.does(20):
			c.Out.Abort(nil)
			return nil
		}
		if err := c.Out.Send(ctx, []byte("to "+lines.Text()+"\n")); err != nil {
			return err
		}
		s.mu.Lock()
		s.answered[lines.Text()] = true
		s.mu.Unlock()
	}
	return lines.Err()
}

// visit is one connection of a client, which stays until told when it is calm.
func (s *wildServer) visit(ctx context.Context, name string, ip int, told <-chan struct{}) error {
	nc, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	pause := func() { time.Sleep(time.Duration(s.roll(200)) * time.Millisecond) }
	if s.does(3) {
		pause()
	}
	switch {
	case s.does(15):
		return nil
	case s.does(15):
		time.Sleep(time.Duration(s.roll(30)) * time.Second)
		return nil
	case s.does(15):
		_, _ = io.WriteString(nc, "rubbish, and more of it\r\n\r\n")
		pause()
		return nil
	}
	if s.proxied {
		header := fmt.Sprintf("PROXY TCP4 192.0.2.%d 198.51.100.1 1000 443\r\n", ip)
		if s.does(15) {
			header = header[:s.roll(len(header))]
		}
		if _, err := io.WriteString(nc, header); err != nil {
			return err
		}
	}
	if s.does(10) {
		pause()
	}
	if s.cfg.TLS != nil {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	r := bufio.NewReader(nc)
	for i := range 1 + s.roll(4) {
		line := name + "-" + strconv.Itoa(i)
		if _, err := io.WriteString(nc, line+"\n"); err != nil {
			return err
		}
		if s.does(15) {
			return nil
		}
		reply, err := r.ReadString('\n')
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.answered[line] {
				s.trouble = append(s.trouble, "the reply to "+line+" was lost: "+err.Error())
			}
			return err
		}
		if reply != "to "+line+"\n" {
			s.complain("%s got %q", line, reply)
		}
		if s.does(3) {
			pause()
		}
	}
	<-told
	return nil
}

// TestAListenerKeepsItsCountsWhateverUserCodeAndClientsDo runs for half a second, or five with WEIR_LONG.
func TestAListenerKeepsItsCountsWhateverUserCodeAndClientsDo(t *testing.T) {
	length := time.Second / 2
	if os.Getenv("WEIR_LONG") == "1" {
		length = 5 * time.Second
	}
	seed, once := rand.Uint64(), false
	if given := os.Getenv("WEIR_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
		once = true
	}
	runs := 0
	for start := time.Now(); runs == 0 || !once && time.Since(start) < length && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) { runListener(t, rand.New(rand.NewPCG(seed, 0))) })
		if t.Failed() {
			t.Logf("WEIR_SEED=%d", seed)
		}
		runs++
	}
	t.Logf("%d runs", runs)
}

func runListener(t *testing.T, r *rand.Rand) {
	s := &wildServer{Rand: r, perIP: map[string]int{}, answered: map[string]bool{}}
	s.cfg = servers.Config{
		MaxConns: r.IntN(4), MaxPerIP: r.IntN(3), MaxHandshakes: r.IntN(3), ProxyAlways: r.IntN(2) == 0,
		FirstByte: time.Duration(r.IntN(3)-1) * 300 * time.Millisecond, Hooks: s.hooks(), Wrap: s.wrap,
	}
	s.proxied = s.cfg.ProxyAlways
	if r.IntN(3) == 0 {
		cert, _, err := servers.SelfSigned("server")
		require.NoError(t, err)
		s.cfg.TLS = &servers.TLSConfig{Certificates: []tls.Certificate{cert}, HandshakeTimeout: 3 * time.Second}
	}
	var network chaniotest.Network
	nl, err := network.Listen("server")
	require.NoError(t, err)
	s.connect = func(ctx context.Context) (net.Conn, error) { return network.DialContext(ctx, "mem", "server") }
	ln, err := servers.Listen(nl, &s.cfg)
	require.NoError(t, err)
	early, users := r.IntN(3) == 0, 1+r.IntN(8) // from here on r is shared
	served := make(chan error, 1)
	go func() { served <- ln.Serve(t.Context(), s.handle) }()
	told := make(chan struct{})
	close(told)
	var all sync.WaitGroup
	for i := range users {
		all.Go(func() {
			for j := range 1 + s.roll(5) {
				_ = s.visit(t.Context(), fmt.Sprint(i, "-", j), 1+s.roll(3), told)
			}
		})
	}
	if early {
		time.Sleep(time.Duration(s.roll(1500)) * time.Millisecond)
	} else {
		all.Wait()
		s.allAreServed(t)
	}
	require.NoError(t, ln.Shutdown(context.Background()))
	require.NoError(t, <-served)
	all.Wait()
	require.Equal(t, s.opened, s.closed)
	require.Empty(t, s.trouble)
}

// allAreServed checks that no place is lost: as many clients as there are places are served at the same time.
func (s *wildServer) allAreServed(t *testing.T) {
	time.Sleep(time.Minute) // those in the middle of something time out
	s.mu.Lock()
	s.calm = true
	s.mu.Unlock()
	places := s.cfg.MaxConns
	if places == 0 {
		places = 3
	}
	if s.proxied && s.cfg.MaxPerIP > 0 {
		places = min(places, 3*s.cfg.MaxPerIP)
	}
	told := make(chan struct{})
	var all sync.WaitGroup
	for i := range places {
		all.Go(func() {
			if err := s.visit(t.Context(), fmt.Sprint("calm-", i), 1+i%3, told); err != nil {
				s.complain("client %d of %d: %v", i, places, err)
			}
		})
	}
	time.Sleep(30 * time.Second)
	synctest.Wait()
	s.mu.Lock()
	if s.running != places {
		s.trouble = append(s.trouble, fmt.Sprintf("%d of %d places can be used", s.running, places))
	}
	s.mu.Unlock()
	close(told)
	all.Wait()
}
