package httpd

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestContinueIsSentOverHTTP2UntilTheHeadIs has clients that wait for 100 Continue as long as it takes. As on net/http,
// a handler may set the status before it reads the body, since the head is sent later.
func TestContinueIsSentOverHTTP2UntilTheHeadIs(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.Copy(w, r.Body)
	})
	native := NewNative(func(ctx context.Context, x Exchange) error {
		if err := x.Begin(http.StatusAccepted, "", -1); err != nil {
			return err
		}
		body, err := x.ReadBody(ctx, 10)
		if err != nil {
			return err
		}
		_, err = x.Write(body)
		return err
	}, nil)
	client := h2client(t)
	client.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
	for who, addr := range map[string]string{"ours": start(t, handler, nil), "native": startWith(t, native), "net/http": startStandardH2(t, handler)} {
		invited := false
		trace := &httptrace.ClientTrace{Got100Continue: func() { invited = true }}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, "http://"+addr, strings.NewReader("hello"))
		require.NoError(t, err)
		r.Header.Set("Expect", "100-continue")
		resp, err := client.Do(r)
		require.NoError(t, err, who)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err, who)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusAccepted, resp.StatusCode, who)
		require.Equal(t, "hello", string(got), who)
		require.True(t, invited, who)
	}
}
