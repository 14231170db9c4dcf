package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFieldsOfANativeReplyStayWhenAnHTTPHandlerWritesIt(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		if err := x.Set("X-A", "a"); err != nil {
			return err
		}
		if err := x.Set("X-A", ""); err != nil {
			return err
		}
		if err := x.AddTrailer("X-T", "t"); err != nil {
			return err
		}
		w, _ := x.HTTP()
		w.Header().Set("X-B", "b")
		_, err := io.WriteString(w, "hello")
		return err
	}, nil)
	for _, addr := range []string{native, over} {
		replies, ended := talk(t, addr, getLine, http.MethodGet)
		require.Len(t, replies, 1)
		require.False(t, ended)
		require.Equal(t, []string{"a", ""}, replies[0].header["X-A"])
		require.Equal(t, "b", replies[0].header.Get("X-B"))
		require.Equal(t, "hello", replies[0].body)
		require.Equal(t, "t", replies[0].trailer.Get("X-T"))
	}
}

func TestFieldsOfANativeReplyStayWhenItsHandlerFails(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		if err := x.Set("Www-Authenticate", "Basic"); err != nil {
			return err
		}
		return refusef(http.StatusUnauthorized, "who are you?")
	}, nil)
	for _, addr := range []string{native, over} {
		replies, _ := talk(t, addr, getLine, http.MethodGet)
		require.Len(t, replies, 1)
		require.Equal(t, http.StatusUnauthorized, replies[0].status)
		require.Equal(t, "Basic", replies[0].header.Get("Www-Authenticate"))
	}
}

func TestFieldWithoutANameIsInNoNativeRequest(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		if x.Header("") != "" || x.HeaderBorrowed("") != nil {
			return refusef(http.StatusBadRequest, "there is one")
		}
		return x.Reply(http.StatusOK, "", nil)
	}, nil)
	for _, addr := range []string{native, over} {
		replies, _ := talk(t, addr, getLine, http.MethodGet)
		require.Len(t, replies, 1)
		require.Equal(t, http.StatusOK, replies[0].status)
	}
}

func TestConfigErrorAnswersForANativeHandlerThatHasLookedForABody(t *testing.T) {
	native, over := startNative(t, func(ctx context.Context, x Exchange) error {
		if _, err := x.ReadBody(ctx, 10); err != nil {
			return err
		}
		return refusef(http.StatusForbidden, "no")
	}, &Config{Error: func(w http.ResponseWriter, r *http.Request, _ error) {
		http.Error(w, r.Method, http.StatusTeapot)
	}})
	for _, addr := range []string{native, over} {
		replies, _ := talk(t, addr, getLine, http.MethodGet)
		require.Len(t, replies, 1)
		require.Equal(t, http.StatusTeapot, replies[0].status)
		require.Equal(t, "GET\n", replies[0].body)
	}
}

func TestConfigContinueIsAskedBeforeANativeHandler(t *testing.T) {
	accept := make(chan bool, 1)
	native, over := startNative(t, func(ctx context.Context, x Exchange) error {
		if x.Target() == "/http" {
			w, r := x.HTTP()
			_, err := io.Copy(w, r.Body)
			return err
		}
		body, err := x.ReadBody(ctx, 100)
		if err != nil {
			return err
		}
		return x.Reply(http.StatusOK, "", body)
	}, &Config{Continue: func(http.ResponseWriter, *http.Request) bool { return <-accept }})
	for _, addr := range []string{native, over} {
		for _, target := range []string{"/", "/http"} {
			head := "POST " + target + " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
			accept <- true
			got := rawReply(t, addr, head+"hello")
			require.Equal(t, "HTTP/1.1 100 Continue", statusLine(got))
			require.Contains(t, got, "HTTP/1.1 200 OK")
			require.True(t, strings.HasSuffix(got, "\r\n\r\nhello"), got)
			accept <- false
			require.Equal(t, "HTTP/1.1 417 Expectation Failed", statusLine(rawReply(t, addr, head)))
		}
	}
	require.Empty(t, accept)
}

// TestNativeHandlerThatOnlySetsFieldsSendsThem returns without starting a reply, which the server then does.
func TestNativeHandlerThatOnlySetsFieldsSendsThem(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		if err := x.Set("X-Token", "secret"); err != nil {
			return err
		}
		return x.AddTrailer("X-Sum", "1")
	}, nil)
	for _, addr := range []string{native, over} {
		for range 2 {
			resp, err := http.Get("http://" + addr)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, []string{"secret"}, resp.Header["X-Token"])
			require.Equal(t, http.Header{"X-Sum": {"1"}}, resp.Trailer)
		}
	}
}

// TestExchangeBehindConfigContinueDoesAll uses what differs between the versions.
func TestExchangeBehindConfigContinueDoesAll(t *testing.T) {
	srv := NewNative(func(ctx context.Context, x Exchange) error {
		if err := x.Inform(http.StatusEarlyHints, http.Header{"Link": {"</a>"}}); err != nil {
			return err
		}
		body, err := x.ReadBody(ctx, 100)
		if err != nil {
			return err
		}
		if x.Target() == "/late" {
			_, err := x.Write(body)
			return errors.Join(err, x.AddTrailer("X-Sum", "1"), x.AddTrailer("X-End", "2"))
		}
		return errors.Join(x.AddTrailer("X-Sum", "1"), x.Reply(http.StatusOK, "", body), x.AddTrailer("X-End", "2"))
	}, &Config{Continue: func(http.ResponseWriter, *http.Request) bool { return true }})
	addr := startWith(t, srv)
	for _, target := range []string{"/", "/late"} {
		got := rawReply(t, addr, "POST "+target+" HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
		require.Contains(t, got, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
		require.True(t, strings.HasSuffix(got, "\r\n\r\n5\r\nhello\r\n0\r\nX-End: 2\r\nX-Sum: 1\r\n\r\n"), got)
	}
}

// TestNativeReplyWithStatus304HasNoType sets a Content-Type before the status is known.
func TestNativeReplyWithStatus304HasNoType(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		return errors.Join(x.Set("X-A", "a"), x.Set("content-type", "text/plain"), x.Set("Etag", `"b"`), x.Begin(http.StatusNotModified, "", -1))
	}, nil)
	for _, addr := range []string{native, over} {
		replies, _ := talk(t, addr, getLine, http.MethodGet)
		require.Len(t, replies, 1)
		require.Equal(t, http.Header{"X-A": {"a"}, "Etag": {`"b"`}, "Date": {"some"}}, replies[0].header)
	}
}

// TestShortNativeReplyBeginsInEveryFraming writes less than Begin has announced. What there is arrives.
func TestShortNativeReplyBeginsInEveryFraming(t *testing.T) {
	for _, trailer := range []bool{false, true} {
		native, over := startNative(t, func(_ context.Context, x Exchange) error {
			if trailer {
				if err := x.AddTrailer("X-T", "t"); err != nil {
					return err
				}
			}
			err := x.Begin(http.StatusOK, "text/plain", 10)
			_, werr := x.Write([]byte("abc"))
			return errors.Join(err, werr)
		}, nil)
		for _, addr := range []string{native, over} {
			replies, ended := talk(t, addr, getLine, http.MethodGet)
			require.True(t, ended)
			require.Len(t, replies, 1)
			require.Equal(t, trailer, replies[0].chunked)
			require.Equal(t, "abc", replies[0].body)
			require.False(t, replies[0].complete)
		}
	}
}

// The error of a body that the client has got wrong is not one of the handler.
func TestNativeErrorOfTheClientIsNotLogged(t *testing.T) {
	log := newLockedBuffer()
	srv := NewNative(func(ctx context.Context, x Exchange) error {
		_, err := x.ReadBody(ctx, 1)
		return err
	}, &Config{Logger: logTo(log)})
	reply := rawReply(t, startWith(t, srv), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
	require.Contains(t, reply, "413 Request Entity Too Large")
	require.NotContains(t, log.String(), "native handler")
}
