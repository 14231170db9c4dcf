// Crawler follows the links of a site, several pages at a time, and prints the pages it finds.
//
//	go run ./docs/examples/crawler http://localhost:8080/
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/pipeline"
)

func main() {
	n := flag.Int("n", 8, "how many pages at a time")
	most := flag.Int("max", 1000, "how many pages in all")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: crawler [flags] URL")
		flag.PrintDefaults()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	client := httpc.New(&httpc.Config{Timeout: 30 * time.Second, MaxPerHost: *n})
	defer client.Close()
	if err := crawl(ctx, client, flag.Arg(0), *n, *most, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// page is the result of fetching a URL.
type page struct {
	url    string
	status int
	links  []string
	err    error
}

// crawl visits start and all pages reachable from it on the same host, level by level, each once.
func crawl(ctx context.Context, client *httpc.Client, start string, n, most int, out io.Writer) error {
	visit := func(ctx context.Context, u string) (page, error) { return fetch(ctx, client, u), nil }
	seen := map[string]bool{start: true}
	for level := []string{start}; len(level) > 0; {
		pages := pipeline.MapConcurrent(ctx, chanio.FromSlice(level), n, visit)
		level = nil
		for p := range pages.All(ctx) {
			if p.err != nil {
				fmt.Fprintln(out, p.url, p.err)
				continue
			}
			fmt.Fprintln(out, p.url, p.status)
			for _, link := range p.links {
				if !seen[link] && len(seen) < most {
					seen[link] = true
					level = append(level, link)
				}
			}
		}
		if err := pages.Err(); err != nil {
			return err
		}
	}
	return nil
}

var href = regexp.MustCompile(`(?i)\bhref\s*=\s*["']([^"'#]*)`)

// fetch reads a page and its links to the same host.
func fetch(ctx context.Context, client *httpc.Client, from string) page {
	p := page{url: from}
	resp, err := client.Get(ctx, from)
	if err != nil {
		p.err = err
		return p
	}
	p.status = resp.Status
	text, err := resp.Text(ctx)
	if err != nil {
		p.err = err
		return p
	}
	for _, found := range href.FindAllStringSubmatch(text, -1) {
		link, err := resp.URL.Parse(found[1])
		if err == nil && link.Host == resp.URL.Host && link.Scheme == resp.URL.Scheme {
			p.links = append(p.links, plain(link))
		}
	}
	return p
}

// plain returns a URL without its fragment.
func plain(u *url.URL) string {
	c := *u
	c.Fragment, c.RawFragment = "", ""
	return c.String()
}
