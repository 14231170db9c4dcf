package transports

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

func TestOtelhttpTransport(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, r.Header.Get("Traceparent")+" "+string(p))
	})
	over(t, h, func(t *testing.T, s ecosystem.Server, client *http.Client) {
		spans := tracetest.NewSpanRecorder()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		traced := &http.Client{Transport: otelhttp.NewTransport(client.Transport,
			otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagation.TraceContext{}))}
		resp, body := s.Do(t, traced, http.MethodPost, "/path", strings.NewReader("hello"))
		require.Equal(t, http.StatusAccepted, resp.StatusCode)
		require.Len(t, spans.Ended(), 1, "the span ends with the body")
		span := spans.Ended()[0]
		require.Equal(t, "00-"+span.SpanContext().TraceID().String()+"-"+span.SpanContext().SpanID().String()+"-01 hello", body)
		attributes := attribute.NewSet(span.Attributes()...)
		status, ok := attributes.Value("http.response.status_code")
		require.True(t, ok)
		require.EqualValues(t, http.StatusAccepted, status.AsInt64())
		version, ok := attributes.Value("network.protocol.version")
		require.True(t, ok)
		require.True(t, strings.HasPrefix(strings.TrimPrefix(s.Proto, "HTTP/"), version.AsString()), version.AsString())

		// The hooks of the caller are called as well.
		var got int
		ctx := httptrace.WithClientTrace(ecosystem.Within(t), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got++ }})
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		require.NoError(t, err)
		resp, err = traced.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 1, got)
	})
}
