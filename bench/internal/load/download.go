package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Downloaded is the result of Download.
type Downloaded struct {
	Lines uint64        `json:"lines"`
	Time  time.Duration `json:"time"` // from the request to the end of the reply
}

// Download sends GET requests to Spec.URL, one after the other, for about Spec.Time, and counts the lines of the
// replies. Each reply has Spec.Size lines.
func Download(ctx context.Context, spec Spec) (d Downloaded, err error) {
	transport := &http.Transport{DisableCompression: true, ReadBufferSize: 64 << 10}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	buf := make([]byte, 64<<10)
	for d.Time < spec.Time {
		began := time.Now()
		n, err := countLines(ctx, client, spec.URL, buf)
		if err != nil {
			return d, err
		}
		if n != uint64(spec.Size) {
			return d, fmt.Errorf("load: a reply has %d lines instead of %d", n, spec.Size)
		}
		d.Lines, d.Time = d.Lines+n, d.Time+time.Since(began)
	}
	return d, nil
}

func countLines(ctx context.Context, client *http.Client, url string, buf []byte) (lines uint64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	for {
		n, err := resp.Body.Read(buf)
		lines += uint64(bytes.Count(buf[:n], []byte("\n")))
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}
