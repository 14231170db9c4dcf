package httpd

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bodiless are requests whose replies have no body.
var bodiless = map[string]struct {
	method string
	status int
}{
	"HEAD": {"HEAD", 200}, "204": {"GET", http.StatusNoContent}, "304": {"GET", http.StatusNotModified},
}

// TestReplyWithoutABodyIsCompleteWithItsHead has handlers go on after they have flushed, over HTTP/2.
func TestReplyWithoutABodyIsCompleteWithItsHead(t *testing.T) {
	for name, c := range bodiless {
		t.Run(name, func(t *testing.T) {
			goOn, outcome := make(chan struct{}), make(chan error, 1)
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(http.TrailerPrefix+"X-Late", "1")
				w.WriteHeader(c.status)
				err := http.NewResponseController(w).Flush()
				<-goOn
				_, failure := io.WriteString(w, strings.Repeat("x", 5000))
				if c.method != "HEAD" && errors.Is(failure, http.ErrBodyNotAllowed) {
					failure = nil
				}
				outcome <- errors.Join(err, failure, http.NewResponseController(w).Flush(), r.Context().Err())
			}), nil)
			conn := h2conn(t, addr)
			for range 3 { // streams of one connection
				s, err := conn.Open(t.Context(), ask2(c.method), true)
				require.NoError(t, err)
				h, err := s.Head(t.Context())
				require.NoError(t, err)
				require.Equal(t, c.status, h.Status)
				require.True(t, h.End)
				goOn <- struct{}{}
				require.NoError(t, <-outcome)
			}
		})
	}
}

// TestHandlerBehindACompleteReplyIsToldThatItsClientIsGone needs the stream to go on until the handler returns.
func TestHandlerBehindACompleteReplyIsToldThatItsClientIsGone(t *testing.T) {
	over := make(chan struct{})
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(over)
	}), nil)
	conn := h2conn(t, addr)
	s, err := conn.Open(t.Context(), ask2("HEAD"), true)
	require.NoError(t, err)
	_, err = s.Head(t.Context())
	require.NoError(t, err)
	conn.Abort(errBoom)
	<-over
}

// TestNothingFollowsACompleteReply has handlers return or panic after it: RFC 9113 5.1.
func TestNothingFollowsACompleteReply(t *testing.T) {
	for _, panics := range []bool{false, true} {
		handler := func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			w.(http.Flusher).Flush()
			if panics {
				panic(http.ErrAbortHandler)
			}
		}
		withFrames(t, handler, HTTP2Config{MaxStreams: 2}, func(p *framePeer) {
			for i := range uint32(10) { // each of which releases its place
				p.open(2*i+1, "GET", 0)
				require.NotContains(t, p.heard(), "RST_STREAM")
			}
			require.Equal(t, 10, strings.Count(p.heard(), "HEADERS"))
			require.NotContains(t, p.heard(), "DATA")
			p.lives()
		})
	}
}

// TestBodyMayFollowAReplyWithoutABody has the handler read after it has flushed: a client may stop sending when the reply
// is complete.
func TestBodyMayFollowAReplyWithoutABody(t *testing.T) {
	got := make(chan string, 1)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		w.(http.Flusher).Flush()
		p, _ := io.ReadAll(r.Body)
		got <- string(p)
	}), nil)
	s, err := h2conn(t, addr).Open(t.Context(), ask2("POST"), false)
	require.NoError(t, err)
	h, err := s.Head(t.Context())
	require.NoError(t, err)
	require.False(t, h.End)
	require.NoError(t, s.Out.Finish(t.Context(), []byte("late"), nil))
	require.Equal(t, "late", awaitIn(t, got))
}
