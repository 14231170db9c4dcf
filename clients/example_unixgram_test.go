//go:build unix && !aix && !solaris

package clients_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// A service notifies systemd that it has started, if NOTIFY_SOCKET is set (sd_notify).
func ExampleDialUnixgram() {
	notify := func(ctx context.Context, state string) error {
		path := os.Getenv("NOTIFY_SOCKET")
		if path == "" {
			return errors.New("nobody wants to know")
		}
		conn, err := clients.DialUnixgram(path, nil)
		if err != nil {
			return err
		}
		return errors.Join(conn.Out.Send(ctx, chanio.UnixPacket{Data: []byte(state)}), conn.Close())
	}
	fmt.Println(notify(context.Background(), "READY=1"))
	// Output: nobody wants to know
}
