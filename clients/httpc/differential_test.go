package httpc

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scene is a request and the reply of its server.
type scene struct {
	method  string
	size    int  // of the body of the request; -1 means none
	sized   bool // its length is announced
	again   bool // its body can be read again
	expects bool
	close   bool // the request asks to close the connection
	trailer bool // the request has a trailer

	before string // informational replies
	head   string // status line and fields
	body   string // with its framing
	cut    int    // bytes of the reply after which the connection ends, the first time; -1 means none
	ends   bool   // the connection ends after the reply
}

// randomScene returns a scene whose reply every client must understand in the same way.
func randomScene(rnd *rand.Rand) scene {
	pick := func(all ...string) string { return all[rnd.IntN(len(all))] }
	one := func(in int) bool { return rnd.IntN(in) == 0 }
	s := scene{method: pick("GET", "GET", "HEAD", "POST", "PUT", "DELETE"), size: -1, cut: -1, close: one(12)}
	if s.method == "POST" || s.method == "PUT" {
		s.size, s.sized, s.again, s.expects = rnd.IntN(3)*rnd.IntN(60<<10), one(2), one(2), one(8)
		s.trailer = !s.sized && one(3)
		s.expects = s.expects && s.size > 0 // net/http expects 100 even if there is no body
	}
	for range rnd.IntN(3) * rnd.IntN(2) {
		s.before += pick("HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n")
	}
	status := pick("200 OK", "200", "201 Created", "204 No Content", "304 Not Modified", "404 Not Found", "500 Oh", "299 \xe4", "700 Odd")
	bare := s.method == "HEAD" || strings.HasPrefix(status, "204") || strings.HasPrefix(status, "304")
	version := pick("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0")
	fields := []string{"X-A: " + strconv.Itoa(rnd.IntN(100))}
	for range rnd.IntN(4) {
		fields = append(fields, pick("X-B:c", "x-b:  d e\t", "X-Folded: a\r\n b\r\n\tc", "X-Empty:", "Set-Cookie: a=b", "Link: \xff", "Connection: keep-alive"))
	}
	if one(8) {
		fields = append(fields, pick("Connection: close", "Connection: X-A, CLOSE"))
	}
	plain := long(rnd.IntN(2) * rnd.IntN(30<<10))
	if one(4) {
		plain = string(gzipped(plain))
		fields = append(fields, "Content-Encoding: "+pick("gzip", "gzip", "GZIP", "br"))
	}
	switch framing := rnd.IntN(5); {
	case bare && framing < 3:
	case framing < 3:
		fields = append(fields, fmt.Sprint("Content-Length: ", len(plain)))
		s.body = plain
	case framing == 3 && version == "HTTP/1.1" && !bare:
		fields = append(fields, pick("Transfer-Encoding: chunked", "transfer-encoding: Chunked"))
		trailers := ""
		if one(2) {
			fields, trailers = append(fields, "Trailer: X-T, X-U"), "X-T: 1\r\nX-T: 2\r\n"
		}
		s.body = chunksOf(rnd, plain) + "0\r\n" + trailers + "\r\n"
	default:
		s.body, s.ends = plain, true
	}
	if bare {
		s.body = ""
	}
	end := pick("\r\n", "\r\n", "\n")
	s.head = version + " " + status + end + strings.Join(fields, end) + end + end
	if one(6) {
		s.cut = rnd.IntN(3) * rnd.IntN(len(s.before+s.head+s.body)) / 2
	}
	if s.cut == 0 && (s.method == "PUT" || s.method == "DELETE") {
		s.cut = -1 // net/http does not repeat them
	}
	s.ends = s.ends || one(15)
	return s
}

func chunksOf(rnd *rand.Rand, p string) (chunks string) {
	for p != "" {
		n := 1 + rnd.IntN(len(p))
		chunks += fmt.Sprintf("%x%s\r\n%s\r\n", n, []string{"", ";a=b", "; c"}[rnd.IntN(2)], p[:n])
		p = p[n:]
	}
	return chunks
}

// stage is a server that plays scenes by the path of requests, and records what it receives.
type stage struct {
	scenes []scene

	mu   sync.Mutex
	seen map[int]int // requests by scene
	log  []string
}

func (s *stage) serve(nc net.Conn, in *bufio.Reader) {
	for first := true; ; first = false {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		n, _ := strconv.Atoi(r.URL.Path[1:])
		c := &s.scenes[n]
		if r.Header.Get("Expect") != "" {
			_, _ = io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen[n]++
		again := s.seen[n] > 1
		if os.Getenv("WEIR_LONG") != "1" {
			first = false // on a busy machine a connection may be given up that another time is kept
		}
		s.log = append(s.log, fmt.Sprintf("%s %s %s new=%v again=%v %v %v %d %v %v %d %v", r.Method, r.RequestURI, r.Proto, first, again,
			r.Header, r.TransferEncoding, r.ContentLength, r.Close, r.Trailer, len(body), err))
		s.mu.Unlock()
		reply := c.before + c.head + c.body
		if c.cut >= 0 && !again {
			_, _ = io.WriteString(nc, reply[:c.cut])
			return
		}
		if _, err := io.WriteString(nc, reply); err != nil || c.ends || strings.Contains(strings.ToLower(c.head), "close") || r.Close {
			return
		}
		if strings.HasPrefix(c.head, "HTTP/1.0") && !strings.Contains(c.head, "keep-alive") {
			return
		}
	}
}

// play sends the requests of all scenes with rt, and returns what came back and what the server received.
func play(t *testing.T, scenes []scene, rt http.RoundTripper) (results, log []string) {
	st := &stage{scenes: scenes, seen: map[int]int{}}
	s := raw(t, st.serve)
	for i := range scenes {
		results = append(results, scenes[i].result(t, fmt.Sprint(s.url, "/", i), rt))
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return results, st.log
}

// result sends the request and returns the response as text.
func (s *scene) result(t *testing.T, url string, rt http.RoundTripper) string {
	r := newRequest(t, s.method, url, nil)
	r.Header.Set("User-Agent", "x")
	r.Close = s.close
	if s.size >= 0 {
		p := bytes.Repeat([]byte("b"), s.size)
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(p)))
		if r.ContentLength = -1; s.sized {
			r.ContentLength = int64(s.size)
		}
		if s.again {
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p)), nil }
		}
		if s.trailer {
			r.Trailer = http.Header{"X-Sum": {"1"}}
		}
		if s.sized && s.size == 0 {
			r.Body = http.NoBody
		}
		if s.expects {
			r.Header.Set("Expect", "100-continue")
		}
	}
	resp, err := rt.RoundTrip(r)
	if err != nil {
		return "no response"
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	shown := *resp
	shown.Body, shown.Request = nil, nil
	why := ""
	if err != nil {
		why, body = "cut", nil // how much of it arrives is a matter of luck
	}
	return fmt.Sprintf("%+v %q %s", shown, body, why)
}

// overSeeds runs test as often as there is time for, always with the same seeds, except in the long suite.
func overSeeds(t *testing.T, test func(t *testing.T, rnd *rand.Rand)) {
	seed, span := uint64(1), 2*time.Second
	if os.Getenv("WEIR_LONG") == "1" {
		seed, span = uint64(time.Now().UnixNano()), time.Minute
	}
	if text := os.Getenv("WEIR_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	rounds := 0
	for end := time.Now().Add(span); time.Now().Before(end); rounds++ {
		one := seed + uint64(rounds)
		ok := t.Run(fmt.Sprint("seed ", one), func(t *testing.T) { test(t, rand.New(rand.NewPCG(one, one))) })
		require.True(t, ok, "WEIR_SEED=%d repeats it", one)
	}
	t.Logf("%d rounds from seed %d", rounds, seed)
}

// TestRandomScenesAreThoseOfNetHTTP plays random scenes to this client and to that of net/http. Both must send the same
// requests, with WEIR_LONG=1 also over connections that are new or reused alike, and return the same responses.
func TestRandomScenesAreThoseOfNetHTTP(t *testing.T) {
	overSeeds(t, func(t *testing.T, rnd *rand.Rand) {
		scenes := make([]scene, 12)
		for i := range scenes {
			scenes[i] = randomScene(rnd)
			if i > 0 && scenes[i-1].ends && scenes[i].method != "HEAD" { // whether the client notices that in time is a matter of luck
				scenes[i].method, scenes[i].size, scenes[i].expects = "GET", -1, false
			}
		}
		standard := &http.Transport{ExpectContinueTimeout: testPatience}
		defer standard.CloseIdleConnections()
		want, wantLog := play(t, scenes, standard)
		got, gotLog := play(t, scenes, newClient(t, &Config{Proxy: Direct, ExpectTimeout: testPatience}))
		for i, s := range scenes {
			require.Equal(t, want[i], got[i], "%d: %.600q", i, fmt.Sprintf("%+v", s))
		}
		require.Equal(t, wantLog, gotLog)
	})
}
