package http2

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// hello answers at once.
func hello(x *exchange) { x.respond(200, "hello") }

// hang returns when its client has disconnected.
func hang(x *exchange) { <-x.gone }

// deaf continues for a while after its client has disconnected.
func deaf(x *exchange) { time.Sleep(time.Hour) }

// attack is an action that a client repeats.
type attack struct {
	name   string
	handle serveFunc
	limit  int // the maximum number that is tolerated
	play   func(r *raw, i int) error
}

// provocations open a stream and cause the server to reset it.
var provocations = map[string]func(r *raw, id uint32) error{
	"WINDOW_UPDATE of nothing": func(r *raw, id uint32) error {
		_ = r.headers(id, true, get("/"))
		return r.fr.WriteRawFrame(frames.FrameWindowUpdate, 0, id, make([]byte, 4))
	},
	"WINDOW_UPDATE beyond all windows": func(r *raw, id uint32) error {
		_ = r.headers(id, true, get("/"))
		return r.fr.WriteWindowUpdate(id, 1<<31-1)
	},
	"HEADERS behind the end": func(r *raw, id uint32) error {
		_ = r.headers(id, true, get("/"))
		return r.headers(id, true, get("/"))
	},
	"DATA behind the end": func(r *raw, id uint32) error {
		_ = r.headers(id, true, get("/"))
		return r.fr.WriteData(id, true, []byte("x"))
	},
	"PRIORITY on itself": func(r *raw, id uint32) error {
		_ = r.headers(id, true, get("/"))
		return r.fr.WritePriority(id, frames.PriorityParam{StreamDep: id})
	},
	"body beyond its length": func(r *raw, id uint32) error {
		_ = r.headers(id, false, request("POST", "/", "content-length", "1"))
		return r.fr.WriteData(id, false, []byte("xy"))
	},
	"malformed trailers": func(r *raw, id uint32) error {
		_ = r.headers(id, false, request("POST", "/"))
		return r.headers(id, true, get("/"))
	},
	"trailers that end nothing": func(r *raw, id uint32) error {
		_ = r.headers(id, false, request("POST", "/"))
		return r.headers(id, false, []Field{{Name: "x", Value: "y"}})
	},
}

// TestFloodsEndWithEnhanceYourCalm plays each known attack, first beyond its limit and then just below it.
func TestFloodsEndWithEnhanceYourCalm(t *testing.T) {
	attacks := []attack{
		{"rapid reset, CVE-2023-44487", hang, 1000, func(r *raw, i int) error {
			id := uint32(2*i + 1)
			if err := r.headers(id, true, get("/")); err != nil {
				return err
			}
			synctest.Wait() // until the handler sees each
			err := r.fr.WriteRSTStream(id, frames.ErrCodeCancel)
			synctest.Wait()
			return err
		}},
		{"malformed requests", hello, 1000, func(r *raw, i int) error {
			return r.headers(uint32(2*i+1), true, request("GET", "/", "Upper", "x"))
		}},
		{"streams beyond the limit, at once", hang, 128 + 1000, func(r *raw, i int) error {
			return r.headers(uint32(2*i+1), true, get("/"))
		}},
		{"PRIORITY, CVE-2019-9513", hello, 1000, func(r *raw, _ int) error {
			return r.fr.WritePriority(1, frames.PriorityParam{StreamDep: 3})
		}},
		{"PRIORITY_UPDATE", hello, 1000, func(r *raw, i int) error {
			return r.fr.WritePriorityUpdate(uint32(2*i+1), "u=1")
		}},
		{"unknown frames", hello, 1000, func(r *raw, _ int) error {
			return r.fr.WriteRawFrame(0xbe, 0, 1, nil)
		}},
		{"WINDOW_UPDATE of one byte", hello, 1000, func(r *raw, _ int) error {
			return r.fr.WriteWindowUpdate(0, 1)
		}},
		{"empty DATA, CVE-2019-9518", hang, 1000, func(r *raw, i int) error {
			if i == 0 {
				if err := r.headers(1, false, request("POST", "/")); err != nil {
					return err
				}
			}
			return r.fr.WriteData(1, false, nil)
		}},
		{"DATA with nothing but padding", hang, 1000, func(r *raw, i int) error {
			if i == 0 {
				if err := r.headers(1, false, request("POST", "/")); err != nil {
					return err
				}
			}
			return r.fr.WriteDataPadded(1, false, nil, make([]byte, 1))
		}},
		{"HEADERS without a field, CVE-2019-9518", hang, 1000, func(r *raw, i int) error {
			return r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: uint32(2*i + 1), EndHeaders: true})
		}},
		{"answers to no ping", hello, 1000, func(r *raw, _ int) error { return r.fr.WritePing(true, [8]byte{1}) }},
		{"SETTINGS", hello, 1000, func(r *raw, i int) error {
			return r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: uint32(i)})
		}},
		{"acknowledgements of no SETTINGS", hello, 1000, func(r *raw, _ int) error { return r.fr.WriteSettingsAck() }},
		{"GOAWAY", hello, 1001, func(r *raw, _ int) error { return r.fr.WriteGoAway(0, frames.ErrCodeNo, []byte("again")) }},
	}
	for name, provoke := range provocations {
		attacks = append(attacks, attack{name + ", CVE-2025-8671", hang, 1000, func(r *raw, i int) error {
			id := uint32(2*i + 1)
			err := provoke(r, id)
			synctest.Wait()
			return err
		}})
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			for _, n := range []int{a.limit, a.limit + 1} {
				inRaw(t, nil, a.handle, func(r *raw) {
					r.again(n, func(i int) error { return a.play(r, i) })
					if n > a.limit {
						require.Contains(t, r.heard(), "GOAWAY 0 ENHANCE_YOUR_CALM")
						require.True(t, r.ended())
						return
					}
					require.NotContains(t, r.heard(), "GOAWAY")
					require.False(t, r.ended())
				})
			}
		})
	}
}

// TestAllowanceComesBackWithTime resets more streams than a burst allows, below the rate.
func TestAllowanceComesBackWithTime(t *testing.T) {
	inRaw(t, nil, hang, func(r *raw) {
		for i := range 3000 {
			r.ok(r.headers(uint32(2*i+1), true, get("/")))
			synctest.Wait()
			r.ok(r.fr.WriteRSTStream(uint32(2*i+1), frames.ErrCodeCancel))
			time.Sleep(time.Second / 30)
		}
		require.NotContains(t, r.heard(), "GOAWAY")
	})
}

// TestAcknowledgementsThatNobodyReadsAreBounded sends PING and SETTINGS and reads nothing (CVE-2019-9512,
// CVE-2019-9515).
func TestAcknowledgementsThatNobodyReadsAreBounded(t *testing.T) {
	for name, send := range map[string]func(r *raw) error{
		"PING":     func(r *raw) error { return r.fr.WritePing(false, [8]byte{1}) },
		"SETTINGS": func(r *raw) error { return r.fr.WriteSettings(frames.Setting{ID: 99, Val: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			deafRaw(t, func(r *raw, server *Conn) {
				r.again(100_000, func(int) error { return send(r) })
				synctest.Wait()
				require.ErrorContains(t, server.Err(), "ENHANCE_YOUR_CALM")
			})
		})
	}
}

// TestContinuationFlood never ends a header block (CVE-2024-27316).
func TestContinuationFlood(t *testing.T) {
	inRaw(t, nil, hello, func(r *raw) {
		r.ok(r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode(get("/")), EndStream: true}))
		r.again(8, func(int) error { return r.fr.WriteContinuation(1, false, nil) })
		require.NotContains(t, r.heard(), "GOAWAY")
		r.again(1, func(int) error { return r.fr.WriteContinuation(1, false, nil) })
		require.Contains(t, r.heard(), "GOAWAY 0 ENHANCE_YOUR_CALM too many CONTINUATION")
	})
}

func TestHeaderBlockThatDoesNotEndInTime(t *testing.T) {
	inRaw(t, nil, hello, func(r *raw) {
		r.ok(r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode(get("/")), EndStream: true}))
		time.Sleep(20 * time.Second)
		r.ok(r.fr.WriteContinuation(1, false, nil))
		time.Sleep(9 * time.Second)
		require.False(t, r.ended())
		time.Sleep(2 * time.Second)
		require.True(t, r.ended())
	})
}

// TestFrameThatDoesNotEndInTime stops within the payload of a DATA frame. Each byte restarts the timeout, and the
// stream has its own limit.
func TestFrameThatDoesNotEndInTime(t *testing.T) {
	inRaw(t, nil, hang, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/")))
		_, err := r.nc.Write(appendFrame(nil, 3, frames.FrameData, 0, 1))
		r.ok(err)
		for range 2 {
			_, err = r.nc.Write([]byte("x"))
			r.ok(err)
			time.Sleep(time.Minute - time.Nanosecond)
			require.False(t, r.ended())
		}
		time.Sleep(time.Nanosecond)
		require.Contains(t, r.heard(), "GOAWAY 0 NO_ERROR frame not complete in time")
		require.True(t, r.ended())
	})
}

// TestHeaderBombIsAnsweredAndDecodedNoFurther refers repeatedly to a large field in the table.
func TestHeaderBombIsAnsweredAndDecodedNoFurther(t *testing.T) {
	refused := make(chan int, 1)
	inRaw(t, nil, func(x *exchange) {
		refused <- x.request.Refused
		x.respond(x.request.Refused, "")
	}, func(r *raw) {
		block := append([]byte(nil), r.encode(request("GET", "/", "x-bomb", strings.Repeat("b", 3900)))...)
		for range 16 << 10 {
			block = append(block, 0x80|62) // the newest in the table
		}
		r.ok(r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: block[:16<<10], EndStream: true}))
		r.ok(r.fr.WriteContinuation(1, true, block[16<<10:]))
		require.Contains(t, r.heard(), "HEADERS 1 :status=431")
		require.Equal(t, 431, <-refused)
		r.ok(r.headers(3, true, get("/"))) // the tables still agree
		require.Contains(t, r.heard(), "HEADERS 3 :status=0")
		<-refused
	})
}

func TestLimitsOfAHead(t *testing.T) {
	many := request("GET", "/")
	for range 101 {
		many = append(many, Field{Name: "x", Value: "y"})
	}
	crumbs := request("GET", "/")
	for range 300 {
		crumbs = append(crumbs, Field{Name: "cookie", Value: "a=b"})
	}
	for name, c := range map[string]struct {
		fields []Field
		status int
	}{
		"many fields":    {many, 431},
		"cookie crumbs":  {crumbs, 0},
		"long field":     {request("GET", "/", "x", strings.Repeat("y", 16<<10)), 431},
		"long path":      {request("GET", "/"+strings.Repeat("y", 8<<10)), 414},
		"long method":    {request(strings.Repeat("M", 33), "/"), 400},
		"as it may be":   {request("GET", "/"+strings.Repeat("y", 8<<10-1), "x", strings.Repeat("y", 16<<10-1)), 0},
		"list of 64 KiB": {request("GET", "/", "a", strings.Repeat("y", 16000), "b", strings.Repeat("y", 16000), "c", strings.Repeat("y", 16000), "d", strings.Repeat("y", 16000), "e", strings.Repeat("y", 2000)), 431},
	} {
		t.Run(name, func(t *testing.T) {
			cl, _ := connect(t, nil, nil, func(x *exchange) { x.respond(max(x.request.Refused, 200), "") })
			h, _ := ask(t, cl, c.fields)
			require.Equal(t, max(c.status, 200), h.Status)
		})
	}
}

func TestEmptyAndOverlongNamesAreMalformed(t *testing.T) { // CVE-2019-9516
	inRaw(t, nil, hello, func(r *raw) {
		r.ok(r.headers(1, true, request("GET", "/", "", "x")))
		require.Contains(t, r.heard(), "RST_STREAM 1 PROTOCOL_ERROR")
	})
}

// TestTableSizeGames sets the size of the encoder's table to zero and to the maximum.
func TestTableSizeGames(t *testing.T) {
	inRaw(t, nil, hello, func(r *raw) {
		for i := range 20 {
			r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingHeaderTableSize, Val: 0},
				frames.Setting{ID: frames.SettingHeaderTableSize, Val: 1<<32 - 1}))
			r.ok(r.headers(uint32(2*i+1), true, get("/")))
		}
		require.Equal(t, 20, r.count("HEADERS"))
		require.NotContains(t, r.heard(), "GOAWAY")
		update := append([]byte{0x3f}, binary.AppendUvarint(nil, 4097-31)...) // larger than the announced table
		r.ok(r.fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 99, BlockFragment: append(update, r.encode(get("/"))...), EndStream: true, EndHeaders: true}))
		require.Contains(t, r.heard(), "GOAWAY 0 COMPRESSION_ERROR")
	})
}

func TestTooManySettingsInAFrame(t *testing.T) {
	inRaw(t, nil, hello, func(r *raw) {
		r.ok(r.fr.WriteSettings(make([]frames.Setting, 32)...))
		require.NotContains(t, r.heard(), "GOAWAY")
		r.ok(r.fr.WriteSettings(make([]frames.Setting, 33)...))
		require.Contains(t, r.heard(), "GOAWAY 0 ENHANCE_YOUR_CALM")
	})
}

// TestDeafHandlersOfResetStreamsBoundNewOnes opens and resets streams with handlers that ignore it.
func TestDeafHandlersOfResetStreamsBoundNewOnes(t *testing.T) {
	inRaw(t, nil, deaf, func(r *raw) {
		for i := range uint32(30) {
			r.ok(r.headers(2*i+1, true, get("/")))
			synctest.Wait()
			r.ok(r.fr.WriteRSTStream(2*i+1, frames.ErrCodeCancel))
			synctest.Wait()
		}
		require.Equal(t, 10, strings.Count(r.heard(), "REFUSED_STREAM"))
		time.Sleep(2 * time.Hour) // the handlers have returned, and the connection has been idle
		require.Contains(t, r.heard(), "GOAWAY 0 NO_ERROR")
	})
}

// TestDeafHandlersOfStreamsThatThisSideResetBoundNewOnes is the same for a client that only provokes the resets.
func TestDeafHandlersOfStreamsThatThisSideResetBoundNewOnes(t *testing.T) {
	for name, provoke := range provocations {
		t.Run(name, func(t *testing.T) {
			inRaw(t, nil, deaf, func(r *raw) {
				for i := range uint32(20) {
					r.ok(provoke(r, 2*i+1))
					synctest.Wait()
				}
				require.Equal(t, 20, r.count("RST_STREAM"))
				require.NotContains(t, r.heard(), "REFUSED_STREAM")
				r.ok(r.headers(41, true, get("/")))
				require.Contains(t, r.heard(), "RST_STREAM 41 REFUSED_STREAM")
				time.Sleep(2 * time.Hour) // the handlers have returned, and the connection has been idle
				require.Contains(t, r.heard(), "GOAWAY 0 NO_ERROR")
			})
		})
	}
}

// TestPrioritiesOfStreamsThatDoNotExistAreBounded announces priorities for more streams than are allowed.
func TestPrioritiesOfStreamsThatDoNotExistAreBounded(t *testing.T) {
	var server *Conn
	inRaw(t, &Config{MaxStreams: 10}, func(x *exchange) {
		server = x.c
		x.respond(200, "")
	}, func(r *raw) {
		for i := range uint32(500) {
			r.ok(r.fr.WritePriorityUpdate(101+2*i, "u=1"))
		}
		r.ok(r.headers(1, true, get("/")))
		require.Contains(t, r.heard(), "HEADERS 1 :status=200")
		server.mu.Lock()
		defer server.mu.Unlock()
		require.Len(t, server.accept.early, 10)
	})
}
