package httpd

import (
	"context"
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
		_, r := x.HTTP() // which appears to have been called before
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		w, _ := x.HTTP()
		_, err = w.Write(body)
		return err
	}, &Config{Continue: func(http.ResponseWriter, *http.Request) bool { return <-accept }})
	const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	for _, addr := range []string{native, over} {
		accept <- true
		got := rawReply(t, addr, head+"hello")
		require.Equal(t, "HTTP/1.1 100 Continue", statusLine(got))
		require.Contains(t, got, "HTTP/1.1 200 OK")
		require.True(t, strings.HasSuffix(got, "\r\n\r\nhello"), got)
		accept <- false
		require.Equal(t, "HTTP/1.1 417 Expectation Failed", statusLine(rawReply(t, addr, head)))
	}
	require.Empty(t, accept)
}
