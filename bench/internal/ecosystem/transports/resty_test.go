package transports

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

// record is a logger of resty that records its lines.
type record struct{ strings.Builder }

func (r *record) Errorf(format string, v ...any) { r.add("E ", format, v) }
func (r *record) Warnf(format string, v ...any)  { r.add("W ", format, v) }
func (r *record) Debugf(format string, v ...any) { r.add("D ", format, v) }

func (r *record) add(level, format string, v []any) {
	for _, x := range v {
		if s, ok := x.(string); ok {
			format += " " + s
		}
	}
	r.WriteString(level + format + "\n")
}

type thing struct {
	Name string `json:"name"`
	Size int    `json:"size"`
}

// flaky fails two of three requests.
func flaky(tried *atomic.Int64) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/flaky", func(w http.ResponseWriter, r *http.Request) {
		p, _ := io.ReadAll(r.Body)
		if tried.Add(1)%3 != 0 {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "third time: "+string(p))
	})
	mux.HandleFunc("/json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f, h, err := r.FormFile("file")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p, _ := io.ReadAll(f)
		_, _ = io.WriteString(w, r.FormValue("name")+" "+h.Filename+" "+string(p))
	})
	mux.HandleFunc("/gone", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/json", http.StatusTemporaryRedirect)
	})
	return mux
}

func TestResty(t *testing.T) {
	var tried atomic.Int64
	over(t, flaky(&tried), func(t *testing.T, s ecosystem.Server, client *http.Client) {
		tried.Store(0)
		out := new(record)
		c := resty.NewWithClient(client).SetBaseURL(s.URL).SetLogger(out).SetDebug(true).
			SetRetryCount(3).SetRetryWaitTime(time.Millisecond).SetRetryMaxWaitTime(2 * time.Millisecond).
			AddRetryCondition(func(r *resty.Response, err error) bool { return err == nil && r.StatusCode() == 503 })
		ctx := ecosystem.Within(t)
		resp, err := c.R().SetContext(ctx).EnableTrace().SetBody("hello").Post("/flaky")
		require.NoError(t, err)
		require.Equal(t, "third time: hello", resp.String())
		require.EqualValues(t, 3, tried.Load())
		trace := resp.Request.TraceInfo()
		require.Equal(t, 3, trace.RequestAttempt)
		require.True(t, trace.IsConnReused)
		require.Positive(t, trace.ServerTime)
		require.Equal(t, s.Addr, trace.RemoteAddr.String())
		require.Contains(t, out.String(), "POST")
		require.Contains(t, out.String(), "third time: hello")

		var got thing
		resp, err = c.R().SetContext(ctx).SetBody(thing{"a", 1}).SetResult(&got).Put("/json")
		require.NoError(t, err)
		require.Equal(t, thing{"a", 1}, got)
		require.Equal(t, s.Proto, resp.Proto())

		resp, err = c.R().SetContext(ctx).SetFormData(map[string]string{"name": "n"}).
			SetFileReader("file", "f.txt", strings.NewReader("content")).Post("/upload")
		require.NoError(t, err)
		require.Equal(t, "n f.txt content", resp.String())

		resp, err = c.R().SetContext(ctx).SetDoNotParseResponse(true).SetBody("streamed").Post("/json")
		require.NoError(t, err)
		p, err := io.ReadAll(resp.RawBody())
		require.NoError(t, err)
		require.NoError(t, resp.RawBody().Close())
		require.Equal(t, "streamed", string(p))

		_, err = c.R().SetContext(ctx).Post("/gone")
		require.Error(t, err)
	})
}

func TestRetryablehttp(t *testing.T) {
	var tried atomic.Int64
	over(t, flaky(&tried), func(t *testing.T, s ecosystem.Server, client *http.Client) {
		tried.Store(0)
		c := retryablehttp.NewClient()
		c.HTTPClient, c.Logger = client, nil
		c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = 3, time.Millisecond, 2*time.Millisecond
		r, err := retryablehttp.NewRequestWithContext(ecosystem.Within(t), http.MethodPost, s.URL+"/flaky", []byte("hello"))
		require.NoError(t, err)
		resp, err := c.Do(r)
		require.NoError(t, err)
		p, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "third time: hello", string(p))
		require.EqualValues(t, 3, tried.Load())

		// A request that fails each time is given up, and its last error is returned.
		c.RetryMax = 1
		var asked int
		c.RequestLogHook = func(retryablehttp.Logger, *http.Request, int) { asked++ }
		r, err = retryablehttp.NewRequestWithContext(ecosystem.Within(t), http.MethodPost, s.URL+"/gone", []byte("hello"))
		require.NoError(t, err)
		_, err = c.Do(r) //nolint:bodyclose // it fails
		require.ErrorContains(t, err, "giving up after 2 attempt")
		require.Equal(t, 2, asked)
		require.NotNil(t, errors.Unwrap(err))
	})
}
