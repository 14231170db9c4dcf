package servers_test

import (
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

func TestG16ControlThatPanicsLeavesNoSocket(t *testing.T) {
	for how, fall := range map[string]func(){"panic": func() { panic("fall") }, "Goexit": runtime.Goexit} {
		var sockets chan syscall.RawConn
		control := func(_, _ string, c syscall.RawConn) error {
			sockets <- c
			fall()
			return nil
		}
		for what, listen := range map[string]func() error{
			"TCP": func() error {
				_, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{Control: control})
				return err
			},
			"TCP, shared": func() error {
				_, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{Control: control, ReusePort: true})
				return err
			},
			"UDP": func() error {
				_, err := servers.ListenUDP("127.0.0.1:0", &servers.UDPConfig{Control: control})
				return err
			},
		} {
			sockets = make(chan syscall.RawConn, 2)
			require.ErrorAs(t, listen(), new(*chanio.PanicError), "%s, %s", how, what)
			close(sockets)
			for c := range sockets {
				require.Error(t, c.Control(func(uintptr) {}), "%s, %s: the socket is open", how, what)
			}
		}
	}
}
