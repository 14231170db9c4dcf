package http2

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// openMany opens n streams as a client.
func openMany(r *raw, c *Conn, n int, fields []Field, end bool) []*Stream {
	r.t.Helper()
	r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: uint32(n)}))
	synctest.Wait()
	streams := make([]*Stream, n)
	for i := range streams {
		s, err := c.Open(context.Background(), fields, end)
		r.ok(err)
		streams[i] = s
	}
	return streams
}

func isUnprocessed(err error) bool {
	var reset *StreamError
	return errors.As(err, &reset) && reset.Unprocessed()
}

var ok200 = []Field{{Name: ":status", Value: "200"}}

func TestGoAwayAfterHalfOfTheStreams(t *testing.T) {
	for _, code := range []frames.ErrCode{frames.ErrCodeNo, frames.ErrCodeInternal} {
		inSilence(t, func(r *raw, c *Conn, ran <-chan error) {
			streams := openMany(r, c, 10, get("/"), true)
			r.ok(r.fr.WriteGoAway(streams[4].ID(), code, nil))
			for _, s := range streams[5:] {
				_, err := s.Head(context.Background())
				require.True(t, isUnprocessed(err), "%v", err)
				require.Equal(t, Code(code), codeOf(errors.Unwrap(err)))
				<-s.Done()
			}
			require.Error(t, c.Err())
			require.Zero(t, c.Free())
			require.Equal(t, 5, c.InFlight())
			for i, s := range streams[:5] {
				require.Empty(t, ran, "stream %d is open", i)
				r.ok(r.headers(s.ID(), true, ok200))
				h, err := s.Head(context.Background())
				r.ok(err)
				require.Equal(t, 200, h.Status)
			}
			require.NoError(t, <-ran, "the connection ends with its last stream")
			require.True(t, r.ended())
		})
	}
}

// TestGoAwayInTwoSteps follows the shutdown of servers: RFC 9113 6.8.
func TestGoAwayInTwoSteps(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, ran <-chan error) {
		streams := openMany(r, c, 4, get("/"), true)
		r.ok(r.fr.WriteGoAway(1<<31-1, frames.ErrCodeNo, nil))
		<-c.Done()
		require.Equal(t, 4, c.InFlight(), "the first step ends none")
		_, err := c.Open(context.Background(), get("/"), true)
		require.True(t, isUnprocessed(err))
		r.ok(r.headers(streams[3].ID(), true, ok200)) // answered between the steps
		synctest.Wait()
		r.ok(r.fr.WriteGoAway(streams[1].ID(), frames.ErrCodeNo, nil))
		_, err = streams[2].Head(context.Background())
		require.True(t, isUnprocessed(err))
		h, err := streams[3].Head(context.Background())
		r.ok(err)
		require.Equal(t, 200, h.Status, "what came before stays")
		for _, s := range streams[:2] {
			r.ok(r.headers(s.ID(), true, ok200))
			_, err := s.Head(context.Background())
			r.ok(err)
		}
		require.NoError(t, <-ran)
	})
}

// TestGoAwayAndClose has streams that the server may have processed, so that they must not be retried.
func TestGoAwayAndClose(t *testing.T) {
	for name, k := range map[string]struct {
		code frames.ErrCode
		want string
	}{
		"in good order": {frames.ErrCodeNo, "unexpected EOF"},
		"by an error":   {frames.ErrCodeEnhanceYourCalm, "unexpected EOF behind http2: GOAWAY of the peer: ENHANCE_YOUR_CALM: slower"},
	} {
		t.Run(name, func(t *testing.T) {
			inSilence(t, func(r *raw, c *Conn, ran <-chan error) {
				streams := openMany(r, c, 3, get("/"), true)
				r.ok(r.fr.WriteGoAway(streams[1].ID(), k.code, []byte("slower")))
				r.ok(r.nc.(interface{ CloseWrite() error }).CloseWrite())
				_, err := streams[2].Head(context.Background())
				require.True(t, isUnprocessed(err))
				for _, s := range streams[:2] {
					_, err := s.Head(context.Background())
					require.Error(t, err)
					require.False(t, isUnprocessed(err), "%v", err)
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					require.ErrorContains(t, err, k.want)
				}
				require.ErrorContains(t, <-ran, k.want)
			})
		})
	}
}

// TestGoAwayThatTakesBackAnotherHarmsNoStream has the GOAWAYs that Node.js sends when asked to twice: RFC 9113 6.8 forbids
// the higher id, but the streams in flight are not at fault.
func TestGoAwayThatTakesBackAnotherHarmsNoStream(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, ran <-chan error) {
		streams := openMany(r, c, 3, get("/"), true)
		r.ok(r.fr.WriteGoAway(streams[1].ID(), frames.ErrCodeNo, nil))
		r.ok(r.fr.WriteGoAway(streams[2].ID(), frames.ErrCodeNo, nil))
		_, err := streams[2].Head(context.Background())
		require.True(t, isUnprocessed(err), "the first one has ended it")
		r.ok(r.headers(streams[2].ID(), false, ok200))
		r.ok(r.fr.WriteData(streams[2].ID(), true, []byte("late")))
		for _, s := range streams[:2] {
			require.Empty(t, ran)
			r.ok(r.headers(s.ID(), true, ok200))
			_, err := s.Head(context.Background())
			r.ok(err)
		}
		require.NoError(t, <-ran)
	})
}

// TestGoAwayWakesWhoWaitsForAStream requires an error that says that nothing was sent.
func TestGoAwayWakesWhoWaitsForAStream(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
		openMany(r, c, 1, get("/"), true)
		waited := make(chan error, 1)
		go func() {
			_, err := c.Open(context.Background(), get("/"), true)
			waited <- err
		}()
		synctest.Wait()
		r.ok(r.fr.WriteGoAway(1, frames.ErrCodeNo, nil))
		require.True(t, isUnprocessed(<-waited))
	})
}

// TestGoAwayEndsTheConnMadeOfAStream ends a tunnel that is idle, and one with a Send in progress.
func TestGoAwayEndsTheConnMadeOfAStream(t *testing.T) {
	inSilence(t, func(r *raw, c *Conn, _ <-chan error) {
		streams := openMany(r, c, 3, []Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "a:1"}}, false)
		for _, s := range streams[1:] {
			r.ok(r.headers(s.ID(), false, ok200))
			_, err := s.Head(context.Background())
			r.ok(err)
		}
		idle, busy := streams[1].Conn(nil), streams[2].Conn(nil)
		sent := make(chan error, 1)
		go func() {
			for {
				if err := busy.Out.Send(context.Background(), make([]byte, 32<<10)); err != nil {
					sent <- err
					return
				}
			}
		}()
		synctest.Wait()
		r.ok(r.fr.WriteGoAway(1, frames.ErrCodeNo, nil))
		require.True(t, isUnprocessed(<-sent))
		<-idle.In.Done()
		<-idle.Out.Done()
		require.True(t, isUnprocessed(idle.Out.Err()), "%v", idle.Out.Err())
		_, err := idle.In.Recv(context.Background())
		require.True(t, isUnprocessed(err), "%v", err)
		idle.Abort(nil)
		busy.Abort(nil)
	})
}

// TestHandlersHearWhyTheClientLeft has a client send GOAWAY, with or without an error, before it disconnects.
func TestHandlersHearWhyTheClientLeft(t *testing.T) {
	for code, want := range map[frames.ErrCode]Code{frames.ErrCodeNo: InternalError, frames.ErrCodeCancel: Cancel} {
		var got chan *StreamError
		inRaw(t, nil, func(x *exchange) {
			<-x.gone
			got <- x.why
		}, func(r *raw) {
			got = make(chan *StreamError, 1)
			r.ok(r.headers(1, false, request("POST", "/")))
			r.ok(r.fr.WriteGoAway(0, code, nil))
			synctest.Wait()
			r.ok(r.nc.Close())
			why := <-got
			require.Equal(t, want, why.Code)
			require.NotContains(t, why.Error(), "reset by the peer") // no RST_STREAM came
		})
	}
}
