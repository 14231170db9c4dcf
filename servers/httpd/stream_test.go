package httpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

type conversation = chanio.Duplex[[]byte, []byte]

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// toUpper answers each piece in upper case.
func toUpper(ctx context.Context, d *conversation) error {
	if err := d.Out.Flush(ctx); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	for p, err := range d.In.Values(ctx) {
		if err != nil {
			return err
		}
		if err := d.Out.Send(ctx, upper(p)); err != nil {
			return err
		}
	}
	return nil
}

func TestStreamReadsAndWritesAtOnce(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		s := e.start(t, Stream(toUpper))
		if e.major == 1 && e.unwrap == "no Unwrap" {
			resp, body, err := s.call(t, http.MethodPost, "/", strings.NewReader("hello"))
			require.NoError(t, err)
			require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
			require.NotContains(t, body, "opaque")
			require.Contains(t, s.log.String(), "*httpd.opaque does not let HTTP/1 read and write at once")
			return
		}
		writer, resp := s.conversation(t, "/")
		for _, word := range []string{"hello", "again", strings.Repeat("long", 10000)} {
			_, err := io.WriteString(writer, word)
			require.NoError(t, err)
			require.Equal(t, strings.ToUpper(word), readN(t, resp.Body, len(word)))
		}
		require.NoError(t, writer.Close())
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, e.major, resp.ProtoMajor)
	})
}

func TestStreamOfARequestWithoutABodyNeedsNoFullDuplex(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		s := e.start(t, Stream(func(ctx context.Context, d *conversation) error {
			_, err := d.In.Recv(ctx)
			return d.Out.Send(ctx, fmt.Append(nil, err))
		}))
		_, body, err := s.call(t, http.MethodGet, "/", nil)
		require.NoError(t, err)
		require.Equal(t, "EOF", body)
	})
}

func TestStreamPassesOnWhatItsChannelHoldsWhenItReturns(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		s := e.start(t, Stream(func(ctx context.Context, d *conversation) error {
			out := d.Out.C(ctx)
			for i := range 40 {
				out <- fmt.Appendf(nil, "%02d", i)
			}
			return nil
		}))
		_, body, err := s.call(t, http.MethodGet, "/", nil)
		require.NoError(t, err)
		require.Len(t, body, 80)
		require.Equal(t, "39", body[78:])
	})
}

func TestStreamThatFailsNeverLooksComplete(t *testing.T) {
	failure := errors.New("some failure")
	ways := map[string]func(ctx context.Context, d *conversation) error{
		"error": func(ctx context.Context, d *conversation) error {
			return errors.Join(d.Out.Send(ctx, []byte("begun")), d.Out.Flush(ctx), failure)
		},
		"panic": func(ctx context.Context, d *conversation) error {
			panic(errors.Join(d.Out.Send(ctx, []byte("begun")), d.Out.Flush(ctx), failure))
		},
		"abort": func(ctx context.Context, d *conversation) error {
			err := errors.Join(d.Out.Send(ctx, []byte("begun")), d.Out.Flush(ctx))
			d.Out.Abort(failure)
			return err
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			forEach(t, func(t *testing.T, e environment) {
				s := e.start(t, Stream(way))
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
				require.NoError(t, err)
				resp, err := s.client.Do(r)
				if err != nil {
					return // aborted before the head was sent
				}
				defer func() { _ = resp.Body.Close() }()
				_, err = io.ReadAll(resp.Body)
				require.Error(t, err)
				if name == "error" {
					require.Eventually(t, func() bool { return strings.Contains(s.log.String(), "some failure") }, patience, time.Millisecond)
				}
			})
		})
	}
}

func TestStreamThatFailsBeforeItSendsIsAnswered500(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		s := e.start(t, Stream(func(context.Context, *conversation) error { return errors.New("some failure") }))
		resp, body, err := s.call(t, http.MethodGet, "/", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
		require.NotContains(t, body, "some failure")
		require.Contains(t, s.log.String(), "some failure")
	})
}

func TestStreamLetsNothingUseTheRequestAfterItReturned(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		type leftovers struct {
			d   *conversation
			ctx context.Context
		}
		left := make(chan leftovers, 1)
		s := e.start(t, Stream(func(ctx context.Context, d *conversation) error {
			left <- leftovers{d, ctx}
			return d.Out.Send(ctx, []byte("x"))
		}))
		_, _, err := s.call(t, http.MethodGet, "/", nil)
		require.NoError(t, err)
		l := awaitIn(t, left)
		<-l.ctx.Done()
		<-l.d.In.Done()
		require.ErrorIs(t, l.d.Out.Send(context.Background(), []byte("late")), net.ErrClosed)
		_, err = l.d.In.Recv(context.Background())
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestStreamReturnsWhileItsChannelStillReads(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		if e.unwrap == "no Unwrap" {
			t.Skip("nothing can interrupt a Read there")
		}
		s := e.start(t, Stream(func(ctx context.Context, d *conversation) error {
			in := d.In.C(ctx)
			if err := d.Out.Send(ctx, <-in); err != nil {
				return err
			}
			return d.Out.Flush(ctx) // the goroutine of C waits for more
		}))
		writer, resp := func() (*io.PipeWriter, *http.Response) {
			reader, writer := io.Pipe()
			go func() { _, _ = io.WriteString(writer, "one") }() // until the client reads it
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, reader)
			require.NoError(t, err)
			resp, err := s.client.Do(r)
			require.NoError(t, err)
			return writer, resp
		}()
		defer func() { _ = resp.Body.Close() }()
		defer func() { _ = writer.Close() }()
		require.Equal(t, "one", readN(t, resp.Body, 3))
	})
}

func TestRecvThatIsCancelled(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		if e.unwrap == "no Unwrap" {
			t.Skip("nothing can interrupt a Read there")
		}
		first, second := make(chan error, 1), make(chan error, 1)
		waits := make(chan struct{})
		s := e.start(t, Stream(func(ctx context.Context, d *conversation) error {
			if err := d.Out.Flush(ctx); err != nil {
				return err
			}
			short, cancel := context.WithCancel(ctx)
			go func() {
				<-waits
				cancel()
			}()
			_, err := d.In.Recv(short)
			first <- err
			p, err := d.In.Recv(context.WithoutCancel(ctx)) // net/http ends the context of the request too
			if err == nil && string(p) != "more" {
				err = fmt.Errorf("got %q", p)
			}
			second <- err
			return nil
		}))
		writer, _ := s.conversation(t, "/")
		close(waits)
		require.ErrorIs(t, awaitIn(t, first), context.Canceled)
		go func() { _, _ = io.WriteString(writer, "more") }() // until the conversation is closed
		err := awaitIn(t, second)
		if e.own {
			require.NoError(t, err)
			return
		}
		if err != nil { // the cancel may have happened between two reads
			require.ErrorIs(t, err, errInterrupted)
		}
	})
}

func TestClosingInEndsARecvThatWaits(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		if e.unwrap == "no Unwrap" {
			t.Skip("nothing can interrupt a Read there")
		}
		ended := make(chan error, 1)
		s := e.start(t, Stream(func(ctx context.Context, d *conversation) error {
			if err := d.Out.Flush(ctx); err != nil {
				return err
			}
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				_ = d.In.Close()
			}()
			_, err := d.In.Recv(ctx)
			ended <- err
			<-closed
			return nil
		}))
		s.conversation(t, "/")
		require.ErrorIs(t, awaitIn(t, ended), net.ErrClosed)
	})
}

func TestSinkEndsWhenItsClientLeaves(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		sent, ended := make(chan struct{}), make(chan error, 1)
		s := e.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			out := Sink(w, r, nil)
			if err := out.Send(r.Context(), []byte("x")); err != nil {
				ended <- err
				return
			}
			close(sent)
			<-out.Done()
			ended <- out.Err()
		}))
		ctx, leave := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
		require.NoError(t, err)
		resp, err := s.client.Do(r)
		require.NoError(t, err)
		require.Equal(t, "x", readN(t, resp.Body, 1))
		awaitIn(t, sent) // otherwise Send may fail with the cause of its ctx
		leave()
		_ = resp.Body.Close()
		require.ErrorIs(t, awaitIn(t, ended), ErrClientGone)
	})
}

func TestSinkNeverMixesValues(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		s := e.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			out := Sink(w, r, nil)
			defer func() { _ = out.Close() }()
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for range 20 {
						_ = out.Send(r.Context(), bytes.Repeat([]byte{byte('a' + i)}, 1000*(i+1)))
					}
				})
			}
			wg.Wait()
		}))
		_, body, err := s.call(t, http.MethodGet, "/", nil)
		require.NoError(t, err)
		require.Len(t, body, 20*36*1000)
		for rest := body; rest != ""; {
			n := 1000 * int(rest[0]-'a'+1)
			require.Equal(t, strings.Repeat(rest[:1], n), rest[:n])
			rest = rest[n:]
		}
	})
}

func TestSinkThatIsCorkedSendsWhenItIsUncorked(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		goOn := make(chan struct{})
		s := e.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			out := Sink(w, r, nil)
			defer func() { _ = out.Close() }()
			uncork := out.Cork()
			for range 3 {
				_ = out.Send(r.Context(), []byte("corked"))
			}
			uncork()
			uncork()
			<-goOn
		}))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
		require.NoError(t, err)
		resp, err := s.client.Do(r)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		require.Equal(t, "corkedcorkedcorked", readN(t, resp.Body, 18))
		close(goOn)
	})
}

// The write deadline of each of these servers has passed before the handler starts.
func TestSinkOutlivesTheWriteTimeoutOfAServer(t *testing.T) {
	for _, unwrap := range []string{"bare", "Unwrap", "no Unwrap"} {
		t.Run(unwrap, func(t *testing.T) {
			e := environment{unwrap: unwrap, serve: func(t *testing.T, h http.Handler) *site {
				return serveHTTP(t, h, &http.Server{WriteTimeout: time.Nanosecond})
			}}
			sent := make(chan error, 1)
			s := e.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				out := Sink(w, r, nil)
				sent <- errors.Join(out.Send(r.Context(), []byte("hello")), out.Close())
			}))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
			require.NoError(t, err)
			resp, err := s.client.Do(r)
			failure := awaitIn(t, sent)
			if unwrap == "no Unwrap" {
				require.ErrorIs(t, failure, errors.ErrUnsupported)
				require.ErrorContains(t, failure, "*httpd.opaque")
				return
			}
			require.NoError(t, failure)
			require.NoError(t, err)
			defer func() { _ = resp.Body.Close() }()
			require.Equal(t, "hello", readN(t, resp.Body, 5))
		})
	}
}

func TestStreamRunsInARecorder(t *testing.T) {
	rec := httptest.NewRecorder()
	Stream(toUpper).ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("hello")))
	require.Equal(t, "HELLO", rec.Body.String())
	require.True(t, rec.Flushed)
}

func TestStreamRunsInATimeoutHandler(t *testing.T) {
	h := http.TimeoutHandler(Stream(func(ctx context.Context, d *conversation) error {
		if err := d.Out.Flush(ctx); !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("Flush says %v", err)
		}
		return d.Out.Send(ctx, []byte("in time"))
	}), time.Minute, "late")
	for name, serve := range map[string]func(*testing.T, http.Handler) *site{"own": serveOwn, "net/http": serveStandard} {
		t.Run(name, func(t *testing.T) {
			_, body, err := serve(t, h).call(t, http.MethodGet, "/", nil)
			require.NoError(t, err)
			require.Equal(t, "in time", body)
		})
	}
}

func TestConnectionGoesOnBehindAStream(t *testing.T) {
	addr := start(t, Stream(toUpper), nil)
	replies, ended := talk(t, addr, post5+chunked5+getLine, "POST", "POST", "GET")
	require.False(t, ended)
	require.Len(t, replies, 3)
	require.Equal(t, []string{"HELLO", "HELLO", ""}, []string{replies[0].body, replies[1].body, replies[2].body})
	for _, r := range replies {
		require.True(t, r.complete && r.chunked)
	}
}

func TestStreamOfNothingPanics(t *testing.T) {
	require.Panics(t, func() { Stream(nil) })
}
