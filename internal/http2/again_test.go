package http2

import (
	"bytes"
	"io"
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

func TestLastMemberOfAPriorityCounts(t *testing.T) {
	for value, want := range map[string]priority{
		"i, i=?0": {urgency: defaultUrgency}, "i=?0, i": {urgency: defaultUrgency, incremental: true}, "u=1, u=5, i=?1": {urgency: 5, incremental: true},
	} {
		require.Equal(t, want, parsePriority(value), value)
	}
}

func TestSchemeMayHaveSignsBehindItsFirstLetter(t *testing.T) {
	for scheme, want := range map[string]bool{"coap+tcp": true, "a-b.c9": true, "+a": false, "9a": false, "a_b": false, "": false} {
		require.Equal(t, want, validScheme(scheme), scheme)
	}
}

// TestChunkIsNotReusedWhileItsRestIsFilled takes the first part of a chunk while a frame that follows it in the same
// array is arriving.
func TestChunkIsNotReusedWhileItsRestIsFilled(t *testing.T) {
	const first, second, early = 9000, 7000, 3000
	taken, got := make(chan struct{}), make(chan string, 1)
	inRaw(t, nil, func(x *exchange) {
		_, err := io.ReadFull(reader{&x.In}, make([]byte, first))
		if err != nil {
			got <- err.Error()
			return
		}
		close(taken)
		body, err := x.readAll()
		if err != nil {
			body = err.Error()
		}
		got <- body
		x.respond(200, "")
	}, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/")))
		r.ok(r.fr.WriteData(1, false, make([]byte, first)))
		data := bytes.Repeat([]byte("x"), second)
		_, err := r.nc.Write(append(appendFrame(nil, second, frames.FrameData, frames.FlagDataEndStream, 1), data[:early]...))
		r.ok(err)
		<-taken
		synctest.Wait()
		for range 8 { // what another stream would be given
			p := largest.Get()
			for i := range p {
				p[i] = 'y'
			}
		}
		_, err = r.nc.Write(data[early:])
		r.ok(err)
		require.Equal(t, string(data), <-got)
	})
}
