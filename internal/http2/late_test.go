package http2

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestResponseForAStreamThatIsForgottenIsIgnored has a client that cancels requests faster than their responses arrive.
// A response for a stream that was reset long ago ends no other stream.
func TestResponseForAStreamThatIsForgottenIsIgnored(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, ran <-chan error) {
		for range maxRemembered + 2 {
			s, err := c.Open(context.Background(), get("/"), true)
			r.ok(err)
			s.Reset(Cancel, nil)
		}
		s, err := c.Open(context.Background(), get("/"), true)
		r.ok(err)
		r.ok(r.headers(1, false, []Field{{Name: ":status", Value: "200"}}))
		r.ok(r.fr.WriteData(1, false, []byte("late")))
		r.ok(r.headers(1, true, []Field{{Name: "trailer", Value: "late"}}))
		r.ok(r.headers(s.ID(), true, []Field{{Name: ":status", Value: "204"}}))
		h, err := s.Head(context.Background())
		require.NoError(t, err)
		require.Equal(t, 204, h.Status)
		require.NotContains(t, r.heard(), "GOAWAY")
		require.NoError(t, c.Err())
	})
}

// TestFramesForAStreamThatIsForgottenAreIgnored has a client whose uploads are reset faster than it learns of it. The
// rest of an upload that was reset long ago ends no other stream (RFC 9113 5.1).
func TestFramesForAStreamThatIsForgottenAreIgnored(t *testing.T) {
	inRaw(t, nil, func(x *exchange) {
		if x.request.Method == "POST" {
			x.Reset(NoError, nil)
			return
		}
		x.respond(204, "")
	}, func(r *raw) {
		last := resetStreams(r)
		r.ok(r.fr.WriteData(1, false, []byte("late")))
		r.ok(r.fr.WriteData(1, false, []byte("late")))
		r.ok(r.headers(1, true, []Field{{Name: "trailer", Value: "late"}}))
		r.ok(r.headers(3, true, []Field{{Name: "trailer", Value: "late"}}))
		r.ok(r.headers(last+2, true, get("/")))
		heard := r.heard()
		require.NotContains(t, heard, "GOAWAY")
		require.NotContains(t, heard, "STREAM_CLOSED")
		require.Contains(t, heard, "HEADERS "+itoa(last+2)+" :status=204")
	})
}

// resetStreams opens so many streams, which a server resets, that the first ones are forgotten. It returns the last.
func resetStreams(r *raw) (last uint32) {
	for i := range uint32(2*maxRemembered + 2) {
		last = 2*i + 1
		r.ok(r.headers(last, false, request("POST", "/")))
		r.heard() // limits the streams that are open at once
	}
	return last
}

// TestClientThatSendsForStreamsThatAreOverIsRefused has a client that does so repeatedly for forgotten streams.
func TestClientThatSendsForStreamsThatAreOverIsRefused(t *testing.T) {
	for name, late := range map[string]func(r *raw, id uint32) error{
		"DATA":    func(r *raw, id uint32) error { return r.fr.WriteData(id, false, []byte("x")) },
		"HEADERS": func(r *raw, id uint32) error { return r.headers(id, true, []Field{{Name: "trailer", Value: "late"}}) },
	} {
		t.Run(name, func(t *testing.T) {
			inRaw(t, &Config{NoiseBurst: 100}, func(x *exchange) { x.Reset(NoError, nil) }, func(r *raw) {
				resetStreams(r)
				r.again(200, func(i int) error { return late(r, 2*uint32(i)+1) })
				require.Contains(t, r.heard(), "GOAWAY 0 ENHANCE_YOUR_CALM")
			})
		})
	}
}

// TestStreamPassedOverIsRefusedBehindOthersThatAreForgotten requires the error of RFC 9113 5.1.1 for an identifier that
// is not greater, if it can be distinguished from a late one.
func TestStreamPassedOverIsRefusedBehindOthersThatAreForgotten(t *testing.T) {
	inRaw(t, nil, func(x *exchange) { x.Reset(NoError, nil) }, func(r *raw) {
		last := resetStreams(r)
		r.ok(r.headers(last+10, true, get("/")))
		r.ok(r.headers(last+4, true, get("/")))
		require.Contains(t, r.heard(), "GOAWAY 0 PROTOCOL_ERROR")
	})
}
