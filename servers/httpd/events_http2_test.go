package httpd

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/sse"
)

func TestShutdownEndsEventsOverHTTP2(t *testing.T) {
	topic := sse.NewTopic(nil)
	cfg := &EventsConfig{Goodbye: sse.Event{Data: "bye"}}
	for name, handler := range map[string]http.Handler{
		"topic": ServeTopic(topic, cfg),
		"sink": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			events, err := Events(w, r, cfg)
			if err != nil {
				return
			}
			<-events.Done()
			_ = events.Close()
		}),
	} {
		t.Run(name, func(t *testing.T) {
			addr, srv := startServer(t, handler, nil)
			resp, err := h2client(t).Get("http://" + addr)
			require.NoError(t, err)
			require.Equal(t, 2, resp.ProtoMajor)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			require.NoError(t, srv.Shutdown(ctx))
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "data: bye\n\n", string(body))
		})
	}
}
