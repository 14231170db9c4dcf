package httpd

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestClientThatOpensItsWindowsAndReadsNothingIsCutOff requests large replies on many streams (CVE-2019-9517,
// CVE-2019-9514).
func TestClientThatOpensItsWindowsAndReadsNothingIsCutOff(t *testing.T) {
	const streams = 100
	var failed chan time.Duration
	var began time.Time
	handler := func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for err == nil { // an endless reply
			_, err = w.Write(make([]byte, 64<<10))
		}
		failed <- time.Since(began)
	}
	inBubble(t, handler, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		failed, began = make(chan time.Duration, streams), time.Now() // created in the bubble
		nc, _ := dial()
		var out, block bytes.Buffer
		out.WriteString(frames.ClientPreface)
		fr := frames.NewFramer(&out, nil)
		require.NoError(t, fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 1<<31 - 1}))
		require.NoError(t, fr.WriteWindowUpdate(0, 1<<30))
		enc := hpack.NewEncoder(&block)
		for i := range uint32(streams) {
			block.Reset()
			for _, f := range ask2("GET") {
				require.NoError(t, enc.WriteField(f))
			}
			require.NoError(t, fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
		}
		_, err := nc.Write(out.Bytes())
		require.NoError(t, err)
		for range streams {
			require.LessOrEqual(t, <-failed, 40*time.Second, "WriteTimeout is 30 s")
		}
		all, _ := io.Copy(io.Discard, nc) // what was sent before the reset
		require.Less(t, all, int64(1<<20))
		require.NoError(t, nc.Close())
	})
}
