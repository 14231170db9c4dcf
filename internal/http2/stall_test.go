package http2

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
)

// TestWindowOfTheConnectionNeverOpened requests a body with a large window for its stream, and for the connection none,
// or one byte at a time (CVE-2019-9511).
func TestWindowOfTheConnectionNeverOpened(t *testing.T) {
	for name, step := range map[string]int{"never": 0, "bytes": 1} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			inRaw(t, nil, func(x *exchange) {
				_ = x.Out.Headers(context.Background(), []Field{{Name: ":status", Value: "200"}})
				failed <- x.Out.Send(context.Background(), make([]byte, 1<<20))
			}, func(r *raw) {
				r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 1 << 24}))
				r.ok(r.headers(1, true, get("/")))
				for range 40 {
					time.Sleep(time.Second)
					if step > 0 {
						r.ok(r.fr.WriteWindowUpdate(0, uint32(step)))
					}
				}
				require.Contains(t, r.heard(), "RST_STREAM 1 CANCEL")
				require.Error(t, <-failed)
			})
		})
	}
}

// TestWindowNeverOpened requests a body and opens no window, or one byte at a time.
func TestWindowNeverOpened(t *testing.T) {
	for name, step := range map[string]int{"never": 0, "bytes": 1} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			inRaw(t, nil, func(x *exchange) {
				_ = x.Out.Headers(context.Background(), []Field{{Name: ":status", Value: "200"}})
				failed <- x.Out.Send(context.Background(), make([]byte, 1<<20))
			}, func(r *raw) {
				r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 0}))
				r.ok(r.headers(1, true, get("/")))
				for range 40 {
					time.Sleep(time.Second)
					if step > 0 {
						r.ok(r.fr.WriteWindowUpdate(1, uint32(step)))
					}
				}
				require.Contains(t, r.heard(), "RST_STREAM 1 CANCEL")
				require.Error(t, <-failed)
			})
		})
	}
}

// TestSlowWindowIsBorneWhileItMakesProgress opens a window slightly faster than the minimum rate.
func TestSlowWindowIsBorneWhileItMakesProgress(t *testing.T) {
	inRaw(t, nil, func(x *exchange) { x.respond(200, strings.Repeat("x", 60_000)) }, func(r *raw) {
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 0}))
		r.ok(r.headers(1, true, get("/")))
		for range 240 {
			time.Sleep(time.Second)
			r.ok(r.fr.WriteWindowUpdate(1, 250))
		}
		require.Contains(t, r.heard(), "DATA 1 250 END")
	})
}

// TestCloseResetsAStreamWhoseWindowIsNotOpened accepts data that the client does not take.
func TestCloseResetsAStreamWhoseWindowIsNotOpened(t *testing.T) {
	closed := make(chan error, 1)
	inRaw(t, nil, func(x *exchange) {
		_ = x.Out.Headers(context.Background(), []Field{{Name: ":status", Value: "200"}})
		_, _ = x.Out.TrySend([]byte("hello"))
		closed <- x.Out.Close()
		<-x.gone
	}, func(r *raw) {
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 0}))
		r.ok(r.headers(1, true, get("/")))
		require.NotContains(t, r.heard(), "RST_STREAM")
		time.Sleep(2 * chanio.DefaultLinger)
		require.Contains(t, r.heard(), "RST_STREAM 1 CANCEL")
		require.Error(t, <-closed)
	})
}
