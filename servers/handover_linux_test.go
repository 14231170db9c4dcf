package servers_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/servers"
	"golang.org/x/sync/errgroup"
)

const (
	handOvers = 3
	inFlight  = 64                    // concurrent conversations
	slowly    = 20 * time.Millisecond // from the connection to the first word, for every fourth one
)

// While one process takes over from another, and the next from that, each connection is accepted and answered, also if
// its first word arrives late. With WEIR_LONG=1 there are 20,000 over TCP and 5,000 over TLS, or a tenth of that with
// the race detector.
func TestG18HandOverLosesNoConnection(t *testing.T) {
	for network, count := range map[string]int{"tcp": 20_000, "tls": 5_000} {
		switch {
		case os.Getenv("WEIR_LONG") != "1":
			count /= 50
		case raceEnabled:
			count /= 10
		}
		t.Run(network, func(t *testing.T) { loseNone(t, network, count) })
	}
}

// loseNone has at least count conversations with a series of processes that take over from each other.
func loseNone(t *testing.T, network string, count int) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f, err := nl.(*net.TCPListener).File()
	require.NoError(t, err)
	first := child(t, "TestChildTakesOverAndHandsOver")
	first.ExtraFiles = append(first.ExtraFiles, f)
	first.Env = append(first.Env, "LISTEN_FDS=1", "WEIR_TEST_HANDOVER="+network)
	first.Stderr = os.Stderr
	in, lines := startChild(t, first, first.Start)
	require.NoError(t, f.Close())
	require.NoError(t, nl.Close()) // the child has the socket

	after(t, lines, "serving")
	load := startLoad(t, network, nl.Addr().String(), count)
	for range handOvers {
		<-load.due
		_, err := fmt.Fprintln(in.(io.Writer), "hand over")
		require.NoError(t, err)
		after(t, lines, "handed over")
	}
	load.enough.Store(true)
	<-load.over
	require.NoError(t, load.err)
	endChild(t, first, in, lines)
}

// load is a series of conversations with a server.
type load struct {
	due    chan struct{} // receives a value when a hand-over is due
	enough atomic.Bool   // ends the load when it has reached its count
	over   chan struct{} // closed when it has ended
	err    error         // of the first failed conversation
}

func startLoad(t *testing.T, network, addr string, count int) *load {
	l := &load{due: make(chan struct{}, handOvers), over: make(chan struct{})}
	talking, ctx := errgroup.WithContext(t.Context())
	talking.SetLimit(inFlight)
	go func() {
		defer close(l.over)
		defer close(l.due)
		for i := 0; ctx.Err() == nil && (i < count || !l.enough.Load()); i++ {
			if i < count && i%(count/(handOvers+1)) == count/(handOvers+1)/2 && len(l.due) < handOvers {
				l.due <- struct{}{}
			}
			talking.Go(func() error { return haveWords(ctx, network, addr, i) })
		}
		l.err = talking.Wait()
	}()
	t.Cleanup(func() { <-l.over })
	return l
}

// haveWords connects, has its words echoed, and closes.
func haveWords(ctx context.Context, network, addr string, i int) error {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%16))} // each has its own ports
	nc, err := (&net.Dialer{LocalAddr: from}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	if i%4 == 0 {
		time.Sleep(slowly)
	}
	if network == "tls" {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // each process has its own certificate
	}
	words := fmt.Appendf(nil, "conversation %d", i)
	if _, err := nc.Write(words); err != nil {
		return fmt.Errorf("%d: %w", i, err)
	}
	echoed := make([]byte, len(words))
	if _, err := io.ReadFull(nc, echoed); err != nil {
		return fmt.Errorf("%d: %w", i, err)
	}
	if string(echoed) != string(words) {
		return errors.New("not the same words")
	}
	return nil
}

// TestChildTakesOverAndHandsOver serves on an inherited socket, and hands it over to another such process when told to.
// Then it relays commands to that process, and its replies.
func TestChildTakesOverAndHandsOver(t *testing.T) {
	skipUnlessChild(t)
	cfg := &servers.Config{FirstByte: 10 * time.Second} // a loaded machine may need that long
	if os.Getenv("WEIR_TEST_HANDOVER") == "tls" {
		cfg.TLS, _ = signed(t)
	}
	files, err := servers.Inherited()
	require.NoError(t, err)
	require.Len(t, files, 1)
	ln, err := servers.ListenFile(files[0], cfg)
	require.NoError(t, err)
	served := serveOn(t, t.Context(), ln, echo)
	fmt.Println("serving")
	told := bufio.NewScanner(os.Stdin)
	if !told.Scan() {
		return
	}
	next := child(t, t.Name())
	next.Stderr = os.Stderr
	in, lines := startChild(t, next, func() error { return servers.HandOver(next, ln) })
	after(t, lines, "serving")
	require.NoError(t, ln.Shutdown(t.Context()))
	require.NoError(t, <-served)
	fmt.Println("handed over")
	for told.Scan() {
		_, err := fmt.Fprintln(in.(io.Writer), told.Text())
		require.NoError(t, err)
		after(t, lines, "handed over")
		fmt.Println("handed over")
	}
	endChild(t, next, in, lines)
}
