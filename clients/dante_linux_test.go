package clients_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/freeport"
)

// dante starts a SOCKS server, which refuses to connect to 127.0.0.9, and returns its address.
func dante(t *testing.T) string {
	path, port := program(t, "danted", "dante-server"), freeport.Port(t)
	me, err := user.Current()
	require.NoError(t, err)
	log := filepath.Join(t.TempDir(), "log")
	conf := write(t, "danted.conf", fmt.Sprintf("logoutput: %s\nerrorlog: %s\ninternal: 127.0.0.1 port = %d\nexternal: 127.0.0.1\n"+
		"clientmethod: none\nsocksmethod: none\nuser.unprivileged: %s\n"+
		"client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }\n"+
		"socks block { from: 0.0.0.0/0 to: 127.0.0.9/32 }\nsocks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }\n", log, log, port, me.Username))
	cmd := exec.Command(path, "-f", conf)
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it ends its children
		<-exited
	})
	addr := fmt.Sprint("127.0.0.1:", port)
	for {
		if nc, err := net.Dial("tcp", addr); err == nil {
			require.NoError(t, nc.Close())
			return addr
		}
		select {
		case <-exited:
			t.Fatal("danted does not start")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestDialsGoThroughDante(t *testing.T) {
	proxy := &clients.SOCKS5{Addr: dante(t)}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cfg := &clients.Config{Proxy: proxy}
	for range 3 {
		c, err := clients.DialTCP(ctx, fmt.Sprint("127.0.0.1:", echo(t)), cfg)
		require.NoError(t, err)
		requireEcho(t, c, "")
		require.NoError(t, c.Out.Close())
		for range c.In.All(ctx) {
		}
		require.NoError(t, c.In.Err(), "a half-close goes through, and comes back")
		require.NoError(t, c.Close())
	}
	tlsPort, roots, _ := tlsEcho(t, "127.0.0.1")
	c, err := clients.DialTLS(ctx, "127.0.0.1:"+tlsPort, &clients.TLSConfig{RootCAs: roots}, cfg)
	require.NoError(t, err)
	requireEcho(t, c, "")
	require.NoError(t, c.Close())

	var refusal *clients.ProxyError
	_, err = clients.DialTCP(ctx, "127.0.0.9:80", cfg)
	require.ErrorAs(t, err, &refusal)
	require.ErrorContains(t, err, "its rules do not allow that host and port")
	_, err = clients.DialTCP(ctx, freeport.Addr(t), cfg)
	require.ErrorAs(t, err, &refusal)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}
