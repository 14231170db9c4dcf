package httpd

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// closedCoding is an identity coding. Its readers count their Close calls.
type closedCoding struct {
	io.Reader
	closed *atomic.Int64
	fail   error
}

func (c closedCoding) Read(p []byte) (int, error) {
	if c.fail != nil {
		return 0, c.fail
	}
	return c.Reader.Read(p)
}

func (c closedCoding) Close() error {
	c.closed.Add(1)
	return nil
}

// TestReadersOfCodingsAreClosedOnce ends bodies in every way.
func TestReadersOfCodingsAreClosedOnce(t *testing.T) {
	broken := errors.New("broken")
	for name, k := range map[string]struct {
		fail   error
		handle func(t *testing.T, r *http.Request)
		within int64 // Close calls before the handler returned
		panics bool
	}{
		"read to its end": {handle: func(t *testing.T, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, "hello", string(got))
		}, within: 1},
		"fails": {fail: broken, handle: func(t *testing.T, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			require.ErrorIs(t, err, broken)
		}, within: 1},
		"closed within": {handle: func(t *testing.T, r *http.Request) {
			_, err := r.Body.Read(make([]byte, 1))
			require.NoError(t, err)
			require.NoError(t, r.Body.Close())
			_, err = r.Body.Read(make([]byte, 1))
			require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
			require.NoError(t, r.Body.Close())
		}, within: 1},
		"left": {handle: func(t *testing.T, r *http.Request) {
			_, err := r.Body.Read(make([]byte, 1))
			require.NoError(t, err)
		}},
		"left by a panic": {handle: func(t *testing.T, r *http.Request) {
			_, err := r.Body.Read(make([]byte, 1))
			require.NoError(t, err)
			panic(http.ErrAbortHandler)
		}, panics: true},
	} {
		t.Run(name, func(t *testing.T) {
			var closed atomic.Int64
			h := Decompress(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				k.handle(t, r)
				require.Equal(t, k.within, closed.Load())
			}), &DecompressConfig{Codings: map[string]func(io.Reader) (io.Reader, error){
				"own": func(r io.Reader) (io.Reader, error) { return closedCoding{r, &closed, k.fail}, nil },
			}})
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("hello"))
			r.Header.Set("Content-Encoding", "own")
			if k.panics {
				require.Panics(t, func() { h.ServeHTTP(httptest.NewRecorder(), r) })
			} else {
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
			require.EqualValues(t, 1, closed.Load())
		})
	}
}

// TestReaderOfACodingIsNotClosedBesideARead has a goroutine read while the handler returns.
func TestReaderOfACodingIsNotClosedBesideARead(t *testing.T) {
	var closed atomic.Int64
	in, out := io.Pipe()
	reads, read := make(chan struct{}), make(chan error)
	h := Decompress(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		go func() {
			_, err := r.Body.Read(make([]byte, 1))
			read <- err
		}()
		<-reads
	}), &DecompressConfig{Codings: map[string]func(io.Reader) (io.Reader, error){
		"own": func(r io.Reader) (io.Reader, error) {
			close(reads)
			return closedCoding{r, &closed, nil}, nil
		},
	}})
	r := httptest.NewRequest(http.MethodPost, "/", in)
	r.Header.Set("Content-Encoding", "own")
	h.ServeHTTP(httptest.NewRecorder(), r)
	require.Zero(t, closed.Load())
	_, err := io.WriteString(out, "x")
	require.NoError(t, err)
	require.NoError(t, <-read)
	require.EqualValues(t, 1, closed.Load())
	require.NoError(t, in.Close())
}

// TestCloseBesideTheFirstReadOfAnUnpackedBodyIsNoRace needs the race detector.
func TestCloseBesideTheFirstReadOfAnUnpackedBodyIsNoRace(t *testing.T) {
	opening, open := make(chan struct{}), make(chan struct{})
	read := make(chan error, 1)
	coding := func(r io.Reader) (io.Reader, error) {
		close(opening)
		<-open
		return io.LimitReader(r, 0), nil
	}
	h := Decompress(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		go func() {
			_, err := r.Body.Read(make([]byte, 1))
			read <- err
		}()
		<-opening
		close(open)
		_ = r.Body.Close()
	}), &DecompressConfig{Codings: map[string]func(io.Reader) (io.Reader, error){"x": coding}})
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("abc"))
	r.Header.Set("Content-Encoding", "x")
	h.ServeHTTP(httptest.NewRecorder(), r)
	require.Error(t, <-read)
}
