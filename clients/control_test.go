package clients_test

import (
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

func TestG16ControlThatPanicsLeavesNoSocket(t *testing.T) {
	several := static(t, map[string][]string{"*": {"127.0.0.1", "127.0.0.2"}})
	for how, fall := range map[string]func(){"panic": func() { panic("fall") }, "Goexit": runtime.Goexit} {
		var sockets chan syscall.RawConn
		control := func(_, _ string, c syscall.RawConn) error {
			sockets <- c
			fall()
			return nil
		}
		for what, dial := range map[string]func() error{
			"one address": func() error {
				_, err := clients.DialTCP(t.Context(), "127.0.0.1:1", &clients.Config{Control: control})
				return err
			},
			"several": func() error {
				_, err := clients.DialTCP(t.Context(), "a:1", &clients.Config{Control: control, Resolver: several})
				return err
			},
			"UDP": func() error {
				_, err := clients.DialUDP(t.Context(), "127.0.0.1:1", &clients.UDPConfig{Control: control})
				return err
			},
		} {
			sockets = make(chan syscall.RawConn, 2)
			require.ErrorAs(t, dial(), new(*chanio.PanicError), "%s, %s", how, what)
			close(sockets)
			for c := range sockets {
				require.Error(t, c.Control(func(uintptr) {}), "%s, %s: the socket is open", how, what)
			}
		}
	}
}
