package http2

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
)

// granted adds up the increments of the WINDOW_UPDATE frames for a stream.
func granted(r *raw, id uint32) (n int) {
	for _, s := range strings.Split(r.heard(), "\n") {
		if rest, ok := strings.CutPrefix(s, "WINDOW_UPDATE "+itoa(id)+" "); ok {
			more := 0
			for _, d := range rest {
				more = more*10 + int(d-'0')
			}
			n += more
		}
	}
	return n
}

// TestWindowUpdatesAreBoundedByTheDataSent sends 10 for each DATA frame and 2 for each stream, the burst that is
// tolerated in addition, and one more.
func TestWindowUpdatesAreBoundedByTheDataSent(t *testing.T) {
	const replies = 20
	for more, calm := range map[int]bool{0: true, 1: false} {
		inRaw(t, nil, hello, func(r *raw) {
			for i := range uint32(replies) {
				r.ok(r.headers(2*i+1, true, get("/")))
			}
			require.Equal(t, replies, r.count("DATA"))
			r.again((10+2)*replies+1000+more, func(int) error { return r.fr.WriteWindowUpdate(0, 1) })
			require.Equal(t, calm, !strings.Contains(r.heard(), "GOAWAY 0 ENHANCE_YOUR_CALM"))
		})
	}
}

// TestClosedBodyIsDroppedAndItsStreamGetsNoMoreWindow fills a window of 64 KiB, for a handler that has closed its body
// and answers later.
func TestClosedBodyIsDroppedAndItsStreamGetsNoMoreWindow(t *testing.T) {
	inRaw(t, nil, func(x *exchange) {
		_ = x.In.Close()
		time.Sleep(time.Hour)
		x.respond(200, "hello")
	}, func(r *raw) {
		before := granted(r, 0)
		for id := uint32(1); id < 200; id += 2 { // more than the connection's window of 1 MiB
			r.ok(r.headers(id, false, request("POST", "/")))
			synctest.Wait()
			r.again(4, func(int) error { return r.fr.WriteData(id, false, make([]byte, 16<<10-1)) })
			require.Zero(t, granted(r, id), "the window of the stream stays as it is")
		}
		require.Greater(t, granted(r, 0)-before, 100*4*(16<<10-1)-1<<20, "that of the connection is given back")
		require.NotContains(t, r.heard(), "RST_STREAM")
		time.Sleep(time.Hour + time.Second)
		_, behind, _ := strings.Cut(r.heard(), "\nDATA 1 5 END\n")
		require.Contains(t, behind, "RST_STREAM 1 NO_ERROR", "the peer is told to stop behind the reply")
		require.NotContains(t, r.heard(), "GOAWAY")
	})
}

// TestBodyThatWaitsHoldsLittleMoreThanItsWindow sends frames of several lengths.
func TestBodyThatWaitsHoldsLittleMoreThanItsWindow(t *testing.T) {
	for _, size := range []int{1, 100, 513, 4097, chunkMax/2 + 1, chunkMax * 3 / 4, chunkMax} {
		streams := make(chan *exchange, 1)
		inRaw(t, nil, func(x *exchange) {
			streams <- x
			<-x.gone
		}, func(r *raw) {
			const window = 64 << 10
			r.ok(r.headers(1, false, request("POST", "/")))
			for range window / size {
				r.ok(r.fr.WriteData(1, false, make([]byte, size)))
			}
			require.NotContains(t, r.heard(), "RST_STREAM")
			x := <-streams
			x.c.mu.Lock()
			defer x.c.mu.Unlock()
			held := 0
			for _, chunk := range x.In.chunks {
				held += cap(chunk)
			}
			require.GreaterOrEqual(t, held, window/size*size)
			require.LessOrEqual(t, held, window+chunkMax, "frames of %d bytes", size)
		})
	}
}

// TestClientsWindowGrowsTo4MiB is TestWindowGrowsWhileTheReaderKeepsUp for a client.
func TestClientsWindowGrowsTo4MiB(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
		s, err := c.Open(context.Background(), get("/"), true)
		r.ok(err)
		r.ok(r.headers(1, false, []Field{{Name: ":status", Value: "200"}}))
		_, err = s.Head(context.Background())
		r.ok(err)
		read := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, reader{&s.In})
			read <- err
		}()
		sent, most := 0, 0
		for range 1200 {
			r.ok(r.fr.WriteData(1, false, make([]byte, 16<<10)))
			sent += 16 << 10
			synctest.Wait()
			most = max(most, 256<<10+granted(r, 1)-sent)
		}
		require.LessOrEqual(t, most, 4<<20)
		require.Greater(t, most, 2<<20)
		r.ok(r.fr.WriteData(1, true, nil))
		r.ok(<-read)
	})
}

// TestClientOpens100StreamsBeforeItKnowsHowMany has a server that has sent nothing yet.
func TestClientOpens100StreamsBeforeItKnowsHowMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := chanio.Pipe()
		c := NewClient(here, nil)
		ran := make(chan error, 1)
		go func() { ran <- c.Run(context.Background()) }()
		r := newRaw(t, chanio.AsNetConn(there))
		_, err := io.ReadFull(r.nc, make([]byte, len(frames.ClientPreface)))
		r.ok(err)
		go r.read()
		for range 100 {
			_, err := c.Open(context.Background(), get("/"), true)
			r.ok(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = c.Open(ctx, get("/"), true)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 100, r.count("HEADERS"))
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: 101}))
		_, err = c.Open(context.Background(), get("/"), true)
		r.ok(err)
		there.Abort(nil)
		<-ran
		here.Abort(nil)
		<-here.Done()
	})
}
