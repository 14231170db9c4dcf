package http2

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestResponseForAStreamThatIsForgottenIsIgnored holds for a client that gives up requests faster than their responses come:
// what comes for one that it has reset long ago ends no other.
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

// TestFramesForAStreamThatIsForgottenAreIgnored holds for a client whose uploads are reset faster than it hears of that: the
// rest of one that was reset long ago ends no other (RFC 9113 5.1).
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

// resetStreams opens so many streams, which a server resets, that the first ones are forgotten, and returns the last.
func resetStreams(r *raw) (last uint32) {
	for i := range uint32(2*maxRemembered + 2) {
		last = 2*i + 1
		r.ok(r.headers(last, false, request("POST", "/")))
		r.heard() // so that only a few are open at once
	}
	return last
}

// TestClientThatSendsForStreamsThatAreOverIsRefused has one that does so again and again, in the shelter of what is forgotten.
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

// TestStreamPassedOverIsRefusedBehindOthersThatAreForgotten wants what RFC 9113 5.1.1 says of an id that is not greater, as
// far as it can be told from a late one.
func TestStreamPassedOverIsRefusedBehindOthersThatAreForgotten(t *testing.T) {
	inRaw(t, nil, func(x *exchange) { x.Reset(NoError, nil) }, func(r *raw) {
		last := resetStreams(r)
		r.ok(r.headers(last+10, true, get("/")))
		r.ok(r.headers(last+4, true, get("/")))
		require.Contains(t, r.heard(), "GOAWAY 0 PROTOCOL_ERROR")
	})
}
