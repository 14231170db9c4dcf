package handlers

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

func TestOtelhttpHandler(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /things/{id}", func(w http.ResponseWriter, r *http.Request) {
		require.True(t, trace.SpanFromContext(r.Context()).SpanContext().IsValid())
		n, _ := io.Copy(io.Discard, r.Body)
		require.EqualValues(t, 5, n)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "created")
		require.NoError(t, http.NewResponseController(w).Flush())
	})
	h := otelhttp.NewHandler(mux, "things", otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagation.TraceContext{}))
	ecosystem.Both(t, h, func(t *testing.T, s ecosystem.Server) {
		spans.Reset()
		const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
		resp, body := s.Do(t, s.Client(t), http.MethodPost, "/things/7", strings.NewReader("hello"),
			"traceparent", "00-"+parent+"-00f067aa0ba902b7-01")
		require.Equal(t, 201, resp.StatusCode)
		require.Equal(t, "created", body)
		require.Eventually(t, func() bool { return len(spans.Ended()) == 1 }, ecosystem.Patience, 1e6)
		span := spans.Ended()[0]
		require.Equal(t, parent, span.SpanContext().TraceID().String())
		attributes := attribute.NewSet(span.Attributes()...)
		for name, want := range map[string]any{
			"http.request.method": "POST", "http.response.status_code": int64(201), "url.path": "/things/7",
			"http.request.body.size": int64(5), "http.response.body.size": int64(7),
			"network.protocol.version": strings.TrimSuffix(strings.TrimPrefix(s.Proto, "HTTP/"), ".0"),
			"url.scheme":               strings.Split(s.URL, ":")[0],
		} {
			v, ok := attributes.Value(attribute.Key(name))
			require.True(t, ok, name)
			if name == "network.protocol.version" {
				require.True(t, strings.HasPrefix(v.AsString(), want.(string)), v.AsString())
				continue
			}
			require.Equal(t, want, v.AsInterface(), name)
		}
	})
}
