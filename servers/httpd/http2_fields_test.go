package httpd

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/http2"
)

// ofConnection are fields that are not allowed in HTTP/2 responses: RFC 9113 8.2.2.
var ofConnection = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "TE"}

func setOfConnection(h http.Header, prefix string) {
	for _, name := range ofConnection {
		h.Set(prefix+name, "x")
	}
	h.Set(prefix+"X-Own", "1")
}

// TestNoFieldOfAConnectionLeavesOverHTTP2 has handlers of every form set such fields, in every head and in trailers.
func TestNoFieldOfAConnectionLeavesOverHTTP2(t *testing.T) {
	plainForm := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		setOfConnection(w.Header(), "")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		_, _ = io.WriteString(w, "hello")
		setOfConnection(w.Header(), http.TrailerPrefix)
	})
	announced := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range append([]string{"X-Own"}, ofConnection...) {
			w.Header().Add("Trailer", name)
		}
		w.WriteHeader(http.StatusOK)
		setOfConnection(w.Header(), "")
	})
	reply := Reply(func(context.Context, *http.Request) (Response, error) {
		r := Text("hello")
		r.Header = http.Header{}
		setOfConnection(r.Header, "")
		r.Header.Del("Transfer-Encoding") // an error in a Response
		return r, nil
	})
	native := nativeOver{func(_ context.Context, x Exchange) error {
		for _, name := range append([]string{"X-Own"}, ofConnection...) {
			_ = x.Set(name, "1") // an error for some names
		}
		return x.Reply(http.StatusOK, "", nil)
	}}
	for name, c := range map[string]struct {
		handler  http.Handler
		informal int
		trailers bool
	}{
		"http.Handler":       {plainForm, 2, true},
		"announced trailers": {announced, 0, true},
		"Reply":              {reply, 0, false},
		"native":             {native, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			conn := h2conn(t, start(t, c.handler, nil))
			s, err := conn.Open(t.Context(), ask2("GET"), true)
			require.NoError(t, err)
			for range c.informal {
				h, err := s.Head(t.Context())
				require.NoError(t, err)
				require.True(t, h.Informational())
				requireOwnAlone(t, h.Fields)
			}
			h, err := s.Head(t.Context())
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, h.Status)
			if name != "announced trailers" {
				requireOwnAlone(t, h.Fields)
			}
			for err == nil {
				_, err = s.In.Next(t.Context())
			}
			require.Equal(t, io.EOF, err)
			if c.trailers {
				requireOwnAlone(t, s.Trailers())
			}
		})
	}
}

// requireOwnAlone requires the handler's field and no connection-specific ones.
func requireOwnAlone(t *testing.T, fields []http2.Field) {
	t.Helper()
	names := map[string]string{}
	for _, f := range fields {
		names[f.Name] = f.Value
	}
	require.Equal(t, "1", names["x-own"])
	for _, name := range ofConnection {
		require.NotContains(t, names, strings.ToLower(name))
	}
}

func TestEveryExpectFieldOverHTTP2IsLookedAt(t *testing.T) {
	cl := h2conn(t, start(t, say("hello"), nil))
	s, err := cl.Open(t.Context(), ask2("POST", http2.Field{Name: "expect", Value: "100-continue"}, http2.Field{Name: "expect", Value: "x"}), true)
	require.NoError(t, err)
	h, err := s.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, http.StatusExpectationFailed, h.Status)
}
