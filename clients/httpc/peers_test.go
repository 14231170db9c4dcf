package httpc_test

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/internal/freeport"
	"github.com/weir-go/weir/servers/httpd"
)

// peer is a server that the same tests run against.
type peer struct {
	http, h2c, https string // URLs
	whole            bool   // it has trailers of requests over HTTP/2, passes on informational responses, and asks only for a body that it wants
}

// peers are the servers. Each one serves the handler.
var peers = map[string]func(t *testing.T, handler http.Handler) *peer{
	"httpd": func(t *testing.T, handler http.Handler) *peer {
		plain := ours(t, handler, false, httpd.HTTP2Config{})
		return &peer{"http" + plain, "http" + plain, "https" + ours(t, handler, true, httpd.HTTP2Config{}), true}
	},
	"net/http": func(t *testing.T, handler http.Handler) *peer {
		return &peer{standard(t, handler, ""), standard(t, handler, "h2c"), standard(t, handler, "h2"), true}
	},
	"nginx": startNginx,
}

// standard serves handler with net/http.
func standard(t *testing.T, handler http.Handler, version string) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.EnableHTTP2 = version == "h2"
	t.Cleanup(srv.Close)
	switch version {
	case "h2":
		srv.StartTLS()
		return srv.URL
	case "h2c":
		srv.Config.Protocols = httpc.H2C()
	}
	srv.Start()
	return srv.URL
}

// startNginx starts an nginx in front of a net/http server. Without nginx the test is skipped, unless WEIR_REQUIRE=1 is
// set.
func startNginx(t *testing.T, handler http.Handler) *peer {
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		if os.Getenv("WEIR_REQUIRE") == "1" {
			t.Fatal("nginx is not installed; on Debian: apt-get install nginx-light")
		}
		t.Skip("nginx is not installed")
	}
	dir, cert := t.TempDir(), testCertificate()
	write := func(name string, text []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, text, 0o600))
		return file
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	certFile := write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	keyFile := write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	ports := []int{freeport.Port(t), freeport.Port(t), freeport.Port(t)}
	conf := write("nginx.conf", fmt.Appendf(nil, `
daemon off; master_process off; pid %[1]s/pid; error_log stderr error; worker_processes 1;
events { worker_connections 512; }
http {
	access_log off; client_max_body_size 0; large_client_header_buffers 8 64k;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header TE $http_te;
	proxy_buffering off; proxy_request_buffering off; proxy_buffer_size 64k; proxy_buffers 8 64k;
	server {
		listen 127.0.0.1:%[2]d; listen 127.0.0.1:%[3]d http2; listen 127.0.0.1:%[4]d ssl http2;
		ssl_certificate %[5]s; ssl_certificate_key %[6]s;
		location / { proxy_pass %[7]s; }
		location = /trailers { add_trailer X-Back 42; proxy_pass %[7]s; }
	}
}
`, dir, ports[0], ports[1], ports[2], certFile, keyFile, standard(t, handler, "")))
	cmd := exec.Command(path, "-e", "stderr", "-c", conf, "-p", dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	for limit := time.Now().Add(httpc.TestPatience); ; {
		nc, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", ports[2]))
		if err == nil {
			require.NoError(t, nc.Close())
			break
		}
		select {
		case <-exited:
			t.Fatal("nginx does not start: ", out.String())
		case <-time.After(5 * time.Millisecond):
			require.True(t, time.Now().Before(limit), "nginx does not listen")
		}
	}
	url := func(scheme string, i int) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, ports[i]) }
	return &peer{http: url("http", 0), h2c: url("http", 1), https: url("https", 2)}
}

// visit is a peer with a client of one version.
type visit struct {
	*peer
	base, proto string
	c           *httpc.Client
	hung        chan struct{} // receives a value when a hung handler has ended
}

// behaviours must hold with each peer over each version.
var behaviours = map[string]func(t *testing.T, v *visit){
	"methods":             methods,
	"bodies":              bodies,
	"trailers":            trailers,
	"informational":       informational,
	"expect":              expect,
	"large fields":        largeFields,
	"one connection":      oneConnection,
	"cancelled in a body": cancelledInBody,
	"closed in a body":    closedInBody,
	"gzip":                gzipped,
	"redirects":           redirects,
	"statuses":            statuses,
	"many at once":        manyAtOnce,
	"ends in a body":      endsInBody,
}

func TestSameBehaviourWithEveryPeer(t *testing.T) {
	for name, start := range peers {
		t.Run(name, func(t *testing.T) {
			hung := make(chan struct{}, 10)
			p := start(t, peerHandler(hung))
			for version, base := range map[string]string{"HTTP/1.1": p.http, "h2c": p.h2c, "HTTP/2 over TLS": p.https} {
				for what, behave := range behaviours {
					t.Run(version+"/"+what, func(t *testing.T) {
						v := &visit{peer: p, base: base, proto: "HTTP/2.0", hung: hung}
						var cfg httpc.Config
						switch version {
						case "HTTP/1.1":
							v.proto = "HTTP/1.1"
						case "h2c":
							cfg.Protocols = httpc.H2C()
						default:
							cfg.Connect = httpc.Trusting()
						}
						if !p.whole {
							cfg.ExpectTimeout = time.Millisecond // it never requests bodies over HTTP/2
						}
						v.c = httpc.NewTestClient(t, &cfg)
						behave(t, v)
					})
				}
			}
		})
	}
}

// peerHandler is the handler of the peers.
func peerHandler(hung chan<- struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("X-Fields", strconv.Itoa(len(r.Header["X-Many"])))
		w.Header().Set("X-Back", r.Header.Get("X-Long"))
		if r.ContentLength >= 0 {
			w.Header().Set("X-Length", strconv.FormatInt(r.ContentLength, 10))
		}
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Back")
		_, _ = io.WriteString(w, "body")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Back", r.Trailer.Get("X-Sum"))
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/no", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "no")
	})
	mux.HandleFunc("/hang", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		for r.Context().Err() == nil { // nginx notices that a client has gone only when it sends
			if _, err := io.WriteString(w, "more "); err != nil || rc.Flush() != nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		hung <- struct{}{}
	})
	mux.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			_, _ = io.WriteString(w, "plain")
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, httpc.Long(100_000))
		_ = z.Close()
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		if code >= 300 && code < 400 {
			w.Header().Set("Location", "/landed")
		}
		w.WriteHeader(code)
	})
	return mux
}

func (v *visit) do(t *testing.T, r *httpc.Request) (*httpc.Response, string) {
	t.Helper()
	r.URL = v.base + r.URL
	resp, err := v.c.Do(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, v.proto, resp.Proto)
	body, err := resp.Text(t.Context())
	require.NoError(t, err)
	return resp, body
}

func methods(t *testing.T, v *visit) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OWN"} {
		resp, body := v.do(t, &httpc.Request{Method: method, URL: "/x?a=1"})
		require.Equal(t, method, resp.Header.Get("X-Method"))
		require.Empty(t, body)
	}
}

func bodies(t *testing.T, v *visit) {
	big := httpc.Long(1 << 20)
	for name, k := range map[string]struct {
		body httpc.Body
		want string
	}{
		"none":           {httpc.Body{}, ""},
		"empty":          {httpc.Text(""), ""},
		"small":          {httpc.Text("hello"), "hello"},
		"big":            {httpc.Text(big), big},
		"of a Reader":    {httpc.Reader(strings.NewReader(big), int64(len(big))), big},
		"unknown length": {httpc.Reader(io.MultiReader(strings.NewReader(big)), -1), big},
		"unknown, empty": {httpc.Reader(io.MultiReader(), -1), ""},
	} {
		_, got := v.do(t, &httpc.Request{Method: "POST", URL: "/", Body: k.body})
		require.Equal(t, len(k.want), len(got), name)
		require.Equal(t, k.want, got, name)
	}
}

func trailers(t *testing.T, v *visit) {
	for range 3 {
		r := &httpc.Request{
			Method: "POST", URL: "/trailers", Body: httpc.Reader(io.MultiReader(strings.NewReader("x")), -1),
			Header: http.Header{"Te": {"trailers"}},
		}
		if v.whole {
			r.Trailer = http.Header{"X-Sum": {"42"}}
		}
		resp, body := v.do(t, r)
		require.Equal(t, "body", body)
		require.Equal(t, "42", resp.Trailer().Get("X-Back"))
	}
}

func informational(t *testing.T, v *visit) {
	if !v.whole {
		return // it takes them for the response
	}
	resp, _ := v.do(t, &httpc.Request{URL: "/hints"})
	require.Equal(t, 204, resp.Status)
	require.Len(t, resp.Informational, 2)
	require.Equal(t, 103, resp.Informational[1].Status)
	require.Equal(t, "</x>", resp.Informational[1].Header.Get("Link"))
}

func expect(t *testing.T, v *visit) {
	resp, body := v.do(t, &httpc.Request{Method: "POST", URL: "/", Body: httpc.Text("hello"), Expect: true})
	require.Equal(t, 200, resp.Status)
	require.Equal(t, "hello", body)
	if v.whole {
		source := readFunc(func([]byte) (int, error) {
			t.Error("nobody asks for the body")
			return 0, errors.New("none")
		})
		resp, _ = v.do(t, &httpc.Request{Method: "POST", URL: "/no", Body: httpc.Reader(source, 5), Expect: true})
		require.Equal(t, 403, resp.Status)
	}
	resp, body = v.do(t, &httpc.Request{Method: "POST", URL: "/", Body: httpc.Text("hello")})
	require.Equal(t, 200, resp.Status)
	require.Equal(t, "hello", body)
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func largeFields(t *testing.T, v *visit) {
	h := http.Header{"X-Long": {strings.Repeat("x", 15<<10)}}
	for i := range 50 {
		h["X-Many"] = append(h["X-Many"], strings.Repeat("y", i*10))
	}
	for range 2 {
		resp, _ := v.do(t, &httpc.Request{URL: "/", Header: h})
		require.Equal(t, "50", resp.Header.Get("X-Fields"))
		require.Equal(t, h.Get("X-Long"), resp.Header.Get("X-Back"))
	}
}

func oneConnection(t *testing.T, v *visit) {
	for i := range 20 {
		switch i % 4 {
		case 0:
			v.do(t, &httpc.Request{URL: "/"})
		case 1:
			v.do(t, &httpc.Request{Method: "POST", URL: "/", Body: httpc.Text(httpc.Long(70_000))})
		case 2:
			v.do(t, &httpc.Request{Method: "HEAD", URL: "/gzip"})
		case 3:
			v.do(t, &httpc.Request{URL: "/status/404"})
		}
	}
	require.EqualValues(t, 1, v.c.Stats()[0].Dials)
}

func cancelledInBody(t *testing.T, v *visit) {
	ctx, cancel := context.WithCancelCause(t.Context())
	resp, err := v.c.Get(ctx, v.base+"/hang")
	require.NoError(t, err)
	_, err = resp.Body.Recv(t.Context())
	require.NoError(t, err)
	mine := errors.New("mine")
	cancel(mine)
	<-v.hung
	for err == nil {
		_, err = resp.Body.Recv(t.Context())
	}
	require.ErrorIs(t, err, mine)
	v.do(t, &httpc.Request{URL: "/"})
}

func closedInBody(t *testing.T, v *visit) {
	for range 2 {
		resp, err := v.c.Get(t.Context(), v.base+"/hang")
		require.NoError(t, err)
		_, err = resp.Body.Recv(t.Context())
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		<-v.hung
	}
	v.do(t, &httpc.Request{URL: "/"})
}

func endsInBody(t *testing.T, v *visit) {
	resp, err := v.c.Get(t.Context(), v.base+"/end")
	if err == nil { // the reset may overtake the head
		_, err = resp.Text(t.Context())
	}
	require.Error(t, err)
	v.do(t, &httpc.Request{URL: "/"})
}

func gzipped(t *testing.T, v *visit) {
	resp, body := v.do(t, &httpc.Request{URL: "/gzip"})
	require.Equal(t, httpc.Long(100_000), body)
	require.Empty(t, resp.Header.Get("Content-Encoding"))
	require.Equal(t, []string{"gzip"}, resp.ContentEncoding)
	_, body = v.do(t, &httpc.Request{URL: "/gzip", Header: http.Header{"Accept-Encoding": {"identity"}}})
	require.Equal(t, "plain", body)
}

func redirects(t *testing.T, v *visit) {
	for code, method := range map[int]string{301: "GET", 302: "GET", 303: "GET", 307: "POST", 308: "POST"} {
		resp, body := v.do(t, &httpc.Request{Method: "POST", URL: fmt.Sprint("/status/", code), Body: httpc.Text("hello")})
		require.Equal(t, method, resp.Header.Get("X-Method"), code)
		require.Equal(t, map[string]string{"GET": "", "POST": "hello"}[method], body)
		require.Len(t, resp.History, 1)
		require.Equal(t, "/landed", resp.URL.Path)
	}
}

func statuses(t *testing.T, v *visit) {
	for _, code := range []int{200, 201, 204, 206, 304, 400, 404, 410, 418, 500, 503, 599} {
		resp, body := v.do(t, &httpc.Request{URL: fmt.Sprint("/status/", code), MaxRedirects: -1})
		require.Equal(t, code, resp.Status)
		require.Empty(t, body)
	}
}

func manyAtOnce(t *testing.T, v *visit) {
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			want := strings.Repeat(strconv.Itoa(i), 10_000)
			resp, err := v.c.Post(t.Context(), v.base+"/", httpc.Text(want))
			if err != nil {
				t.Error(err)
				return
			}
			got, err := resp.Text(t.Context())
			if err != nil || got != want {
				t.Error(len(got), err)
			}
		})
	}
	wg.Wait()
}
