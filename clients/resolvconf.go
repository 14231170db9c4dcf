package clients

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-go/weir/internal/hostname"
)

// resolvConf holds the settings of resolv.conf(5) that a DNSResolver uses.
type resolvConf struct {
	servers  []string
	search   []string
	ndots    int
	timeout  time.Duration
	attempts int
	rotate   bool
	useTCP   bool
}

// readResolvConf reads the supported settings and ignores others, like other readers of that file. Fields not in the
// file are zero, except ndots, which is -1.
func readResolvConf(r io.Reader) resolvConf {
	conf := resolvConf{ndots: -1}
	for lines := bufio.NewScanner(io.LimitReader(r, 64<<10)); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch args := fields[1:]; fields[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(args[0]); err == nil && len(conf.servers) < 3 {
				conf.servers = append(conf.servers, net.JoinHostPort(addr.String(), "53"))
			}
		case "domain":
			conf.search = domainsIn(args[:1])
		case "search":
			conf.search = domainsIn(args)
		case "options":
			conf.readOptions(args)
		}
	}
	return conf
}

// domainsIn returns those of names that can be domains.
func domainsIn(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := hostname.ASCII(name)
		return err != nil && name != "."
	})
}

// readOptions reads switches and name:number pairs, within the limits of the manual page.
func (c *resolvConf) readOptions(options []string) {
	for _, option := range options {
		c.rotate = c.rotate || option == "rotate"
		c.useTCP = c.useTCP || option == "use-vc"
		name, text, _ := strings.Cut(option, ":")
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			continue
		}
		switch name {
		case "ndots":
			c.ndots = min(n, 15)
		case "timeout":
			c.timeout = time.Duration(min(max(n, 1), 30)) * time.Second
		case "attempts":
			c.attempts = min(max(n, 1), 5)
		}
	}
}
