package clients_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/weir-go/weir/clients"
)

func ExampleDialUnix() {
	_, err := clients.DialUnix(context.Background(), "/run/no/such.sock", nil)
	_, what, _ := strings.Cut(err.Error(), "; ")
	fmt.Println(what)
	// Output:
	// is the server running, and is this its path?
}
