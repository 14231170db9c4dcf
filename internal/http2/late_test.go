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
