// Download fetches a large file in parts, several at a time, and shows its progress. When it is started again, it
// resumes where it stopped.
//
//	go run ./docs/examples/download -n 4 http://localhost:8080/large.iso large.iso
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/pipeline"
)

func main() {
	d := download{show: os.Stderr}
	flag.IntVar(&d.parallel, "n", 4, "how many parts at a time")
	flag.Int64Var(&d.partSize, "part", 4<<20, "size of a part in `bytes`")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: download [flags] URL file")
		flag.PrintDefaults()
		os.Exit(2)
	}
	if d.parallel < 1 || d.partSize < 1 {
		fmt.Fprintln(os.Stderr, "-n and -part must be positive")
		os.Exit(2)
	}
	d.url, d.path = flag.Arg(0), flag.Arg(1)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	d.client = httpc.New(&httpc.Config{StatusErrors: true, KeepBodies: true, Retry: &httpc.RetryPolicy{}})
	defer d.client.Close()
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// download is the download of one file.
type download struct {
	client    *httpc.Client
	url, path string
	parallel  int
	partSize  int64
	show      io.Writer

	version string // the server's validator of the file
	size    int64
	done    int64 // parts downloaded, from the start of the file
}

// part is a range of bytes.
type part struct{ from, to int64 }

// run downloads the missing parts.
func (d *download) run(ctx context.Context) error {
	if err := d.ask(ctx); err != nil {
		return err
	}
	f, err := os.OpenFile(d.path+".part", os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	d.resume(f)
	if err := f.Truncate(d.size); err != nil { // it may be of a longer version
		return err
	}
	parts := pipeline.MapConcurrent(ctx, chanio.FromSlice(d.missing()), d.parallel, func(ctx context.Context, p part) (part, error) {
		return p, d.fetch(ctx, f, p)
	})
	err = pipeline.ForEach(ctx, parts, func(p part) error { // in order
		d.done++
		d.bar(p.to)
		return os.WriteFile(d.path+".state", d.state(), 0o666)
	})
	if err != nil {
		return err
	}
	if err := os.Remove(d.path + ".state"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(d.path+".part", d.path)
}

// ask requests the size of the file, and whether the server supports ranges.
func (d *download) ask(ctx context.Context) error {
	resp, err := d.client.Head(ctx, d.url)
	if err != nil {
		return err
	}
	defer resp.Close()
	d.size, d.version = resp.ContentLength, resp.Header.Get("ETag")
	if d.version == "" {
		d.version = resp.Header.Get("Last-Modified")
	}
	if strings.HasPrefix(d.version, "W/") { // If-Range needs a strong validator: RFC 9110 13.1.5
		return errors.New("the server does not say which bytes this version of the file has: its ETag is weak")
	}
	if d.size < 0 || d.version == "" || resp.Header.Get("Accept-Ranges") != "bytes" {
		return errors.New("the server does not give this file in parts")
	}
	return nil
}

// state returns what is saved of an unfinished download.
func (d *download) state() []byte {
	return fmt.Appendf(nil, "%d %d %d %s\n", d.done, d.partSize, d.size, d.version)
}

// resume restores the progress of an earlier run, if that had the same file and part size, and f is what it left.
func (d *download) resume(f *os.File) {
	old, err := os.ReadFile(d.path + ".state")
	if err != nil {
		return
	}
	if info, err := f.Stat(); err != nil || info.Size() != d.size {
		return
	}
	if _, err := fmt.Sscan(string(old), &d.done); err != nil || string(old) != string(d.state()) {
		d.done = 0
	}
}

func (d *download) missing() (parts []part) {
	for from := d.done * d.partSize; from < d.size; from += d.partSize {
		parts = append(parts, part{from, min(from+d.partSize, d.size)})
	}
	return parts
}

// fetch downloads one part to its place in the file. It fails if the file has changed on the server, which then sends
// all of it, or if the server sends other bytes than those asked for.
func (d *download) fetch(ctx context.Context, f *os.File, p part) error {
	resp, err := d.client.Do(ctx, &httpc.Request{URL: d.url, Header: http.Header{
		"Range": {fmt.Sprintf("bytes=%d-%d", p.from, p.to-1)}, "If-Range": {d.version},
	}})
	if err != nil {
		return err
	}
	defer resp.Close()
	if resp.Status != http.StatusPartialContent || resp.ContentLength != p.to-p.from {
		return fmt.Errorf("the file has changed on the server: it answers %d", resp.Status)
	}
	want := fmt.Sprintf("bytes %d-%d/%d", p.from, p.to-1, d.size)
	if got := resp.Header.Get("Content-Range"); got != want {
		return fmt.Errorf("the server sends %q instead of %q", got, want)
	}
	if tag := resp.Header.Get("ETag"); tag != "" && tag != d.version && strings.HasPrefix(d.version, `"`) {
		return fmt.Errorf("the file has changed on the server: its ETag is %s", tag) // in spite of If-Range
	}
	_, err = io.Copy(io.NewOffsetWriter(f, p.from), resp.Reader(ctx))
	return err
}

// bar prints the progress.
func (d *download) bar(at int64) {
	const width = 40
	n := int(width * at / max(d.size, 1))
	fmt.Fprintf(d.show, "\r[%s%s] %d %%", strings.Repeat("#", n), strings.Repeat(" ", width-n), 100*at/max(d.size, 1))
	if at == d.size {
		fmt.Fprintln(d.show)
	}
}
