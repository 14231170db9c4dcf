package http2

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// TestSettingThatAllowsConnectMayBeRepeatedAndNotTakenBack sends the setting of RFC 8441 3.
func TestSettingThatAllowsConnectMayBeRepeatedAndNotTakenBack(t *testing.T) {
	inRaw(t, nil, func(x *exchange) { x.respond(200, "") }, func(r *raw) {
		for range 2 {
			r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingEnableConnectProtocol, Val: 1}))
		}
		r.ok(r.headers(1, true, get("/")))
		synctest.Wait()
		require.Contains(t, r.heard(), "HEADERS 1 :status=200 END")
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingEnableConnectProtocol, Val: 0}))
		synctest.Wait()
		require.Contains(t, r.heard(), "GOAWAY 0 PROTOCOL_ERROR")
	})
}

// TestStreamThatDependsOnItselfOpensNoOtherAgain sends such a HEADERS frame for a stream below others that are over.
func TestStreamThatDependsOnItselfOpensNoOtherAgain(t *testing.T) {
	var served atomic.Int32
	inRaw(t, nil, func(x *exchange) {
		served.Add(1)
		x.respond(200, "")
	}, func(r *raw) {
		r.ok(r.headers(1, true, get("/")))
		r.ok(r.headers(3, true, get("/")))
		synctest.Wait()
		r.block.Reset()
		for _, f := range get("/") {
			r.ok(r.enc.WriteField(f))
		}
		r.ok(r.fr.WriteHeaders(frames.HeadersFrameParam{
			StreamID: 1, BlockFragment: r.block.Bytes(), EndStream: true, EndHeaders: true, Priority: frames.PriorityParam{StreamDep: 1},
		}))
		r.ok(r.headers(3, true, get("/")))
		synctest.Wait()
		require.EqualValues(t, 2, served.Load())
		require.Contains(t, r.heard(), "GOAWAY 0 STREAM_CLOSED")
	})
}
