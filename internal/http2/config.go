package http2

import (
	"cmp"
	"time"

	"github.com/weir-go/weir/internal/http1"
)

// Limits of what a peer may cause. Config has the limits that may be changed.
const (
	maxSettings      = 32   // entries of one SETTINGS frame
	maxOwed          = 1000 // acknowledgements and RST_STREAM frames that a peer may have caused and that wait to be sent
	maxZombies       = 20   // handlers that run although their streams were reset
	updatesPerData   = 10   // WINDOW_UPDATE frames for each DATA frame sent, beyond which they count as noise
	updatesPerStream = 2    // and for each stream
	maxRemembered    = 256  // streams that are remembered after their end
	maxTable         = 4096 // bytes of the HPACK tables, whatever the peer sets
	minPeerRate      = 240  // bytes a second that a peer must take on average while data waits for its window
)

// Config configures a Conn. The zero value means the defaults, which differ for servers and clients. A negative duration
// means no limit.
type Config struct {
	MaxStreams int // that the peer may have open at once; 0 means 128
	MaxFrame   int // bytes of a frame's payload that is received; 0 means 16 KiB
	MaxBlocks  int // CONTINUATION frames of a header block; 0 means 8

	// Limits has the limits of heads and trailers that HTTP/1 has too. Head is the length of a header list, as
	// SETTINGS_MAX_HEADER_LIST_SIZE counts it. A nil Limits means those of http1.
	Limits *http1.Limits

	// Window is how much a stream may send before its receiver reads, and MaxWindow what that grows to while the receiver
	// keeps up. 0 means 64 KiB and 1 MiB, for a client 256 KiB and 4 MiB. ConnWindow is how much all streams may send
	// within one round trip; 0 means 1 MiB, for a client 4 MiB.
	Window, MaxWindow, ConnWindow int

	// MaxInformational is how many responses with a status of 1xx there may be to one request. 0 means 32, negative no limit.
	MaxInformational int

	// NoConnect does not announce extended CONNECT (RFC 8441) and refuses it.
	NoConnect bool

	// ResetBurst is how many streams a client may reset, or cause to be reset, in a row, and ResetRate how many a
	// second in the long run. 0 means 1,000 and 33. NoiseBurst and NoiseRate are the same for frames that carry
	// nothing: PRIORITY, PRIORITY_UPDATE, empty DATA, SETTINGS after the first, unknown frames, WINDOW_UPDATE beyond
	// ten for each DATA frame and two for each stream, acknowledgements of what was not sent, and GOAWAY after another
	// one.
	ResetBurst, ResetRate, NoiseBurst, NoiseRate int

	PrefaceTimeout time.Duration // for the preface, and then for the first SETTINGS; 0 means 10 s
	HeadTimeout    time.Duration // for a whole header block, from its first byte; 0 means 30 s
	FrameTimeout   time.Duration // for the next byte within a frame; 0 means 60 s
	IdleTimeout    time.Duration // of a server's connection without a stream; 0 means 75 s
	StallTimeout   time.Duration // for the peer to open a window that data waits for, at 240 bytes a second; 0 means 30 s
	GoAwayTimeout  time.Duration // for the round trip between the two steps of a shutdown; 0 means 1 s
	PingAfter      time.Duration // of silence, while streams are open; 0 means never, for a client 30 s
	PingTimeout    time.Duration // for the answer; 0 means 15 s
}

// complete returns cfg with defaults instead of zeros.
func (cfg *Config) complete(client bool) Config {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	window, most, conn, ping := 64<<10, 1<<20, 1<<20, time.Duration(-1)
	limits := http1.ServerLimits()
	if client {
		window, most, conn, ping = 256<<10, 4<<20, 4<<20, 30*time.Second
		limits = http1.ClientLimits()
	}
	if c.Limits == nil {
		c.Limits = &limits
	}
	c.MaxStreams = cmp.Or(c.MaxStreams, 128)
	c.MaxFrame = cmp.Or(c.MaxFrame, 16<<10)
	c.MaxFrame = min(max(c.MaxFrame, 16<<10), 1<<24-1) // RFC 9113, 6.5.2
	c.MaxBlocks = cmp.Or(c.MaxBlocks, 8)
	c.MaxInformational = cmp.Or(c.MaxInformational, 32)
	c.Window = cmp.Or(c.Window, window)
	c.MaxWindow = cmp.Or(c.MaxWindow, max(most, c.Window))
	c.ConnWindow = cmp.Or(c.ConnWindow, max(conn, c.Window))
	c.ResetBurst = cmp.Or(c.ResetBurst, 1000)
	c.ResetRate = cmp.Or(c.ResetRate, 33)
	c.NoiseBurst = cmp.Or(c.NoiseBurst, 1000)
	c.NoiseRate = cmp.Or(c.NoiseRate, 33)
	c.PrefaceTimeout = cmp.Or(c.PrefaceTimeout, 10*time.Second)
	c.HeadTimeout = cmp.Or(c.HeadTimeout, 30*time.Second)
	c.FrameTimeout = cmp.Or(c.FrameTimeout, time.Minute)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 75*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, 30*time.Second)
	c.GoAwayTimeout = cmp.Or(c.GoAwayTimeout, time.Second)
	c.PingAfter = cmp.Or(c.PingAfter, ping)
	c.PingTimeout = cmp.Or(c.PingTimeout, 15*time.Second)
	return c
}
