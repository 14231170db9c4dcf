package clients_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/weir-go/weir/clients"
)

func ExampleNewStaticResolver() {
	r, err := clients.NewStaticResolver(map[string][]string{
		"db.internal":  {"10.0.0.1", "10.0.0.2"},
		"*.dev.test":   {"127.0.0.1"},
		"www.dev.test": {"127.0.0.2"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, host := range []string{"db.internal", "api.dev.test", "www.dev.test", "example.org"} {
		fmt.Println(r.LookupAddrs(context.Background(), host))
	}
	// Output:
	// [10.0.0.1 10.0.0.2] <nil>
	// [127.0.0.1] <nil>
	// [127.0.0.2] <nil>
	// [] lookup example.org: no such host in the static table
}

func ExampleNewDNSResolver() {
	r, err := clients.NewDNSResolver(&clients.DNSConfig{Servers: []string{"1.1.1.1", "8.8.8.8"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// localhost is this machine, whatever the servers say.
	fmt.Println(r.LookupAddrs(context.Background(), "localhost"))
	// Output: [::1 127.0.0.1] <nil>
}

func ExampleFirstOf() {
	table, err := clients.NewStaticResolver(map[string][]string{"*.test": {"127.0.0.1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	dns, err := clients.NewDNSResolver(&clients.DNSConfig{Servers: []string{"1.1.1.1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := clients.FirstOf(table, dns) // this table, otherwise 1.1.1.1
	fmt.Println(r.LookupAddrs(context.Background(), "shop.test"))
	// Output: [127.0.0.1] <nil>
}

func ExampleRoundRobin() {
	replicas := clients.ResolverFunc(func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}, nil
	})
	r := clients.RoundRobin(replicas)
	for range 3 {
		fmt.Println(r.LookupAddrs(context.Background(), "db"))
	}
	// Output:
	// [10.0.0.1 10.0.0.2] <nil>
	// [10.0.0.2 10.0.0.1] <nil>
	// [10.0.0.1 10.0.0.2] <nil>
}

func ExampleSystemResolver() {
	addrs, err := clients.SystemResolver(nil).LookupAddrs(context.Background(), "127.0.0.1")
	fmt.Println(addrs, err)
	// Output: [127.0.0.1] <nil>
}
