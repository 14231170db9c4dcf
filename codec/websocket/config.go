package websocket

import (
	"cmp"
	"context"
	"net/textproto"
	"sync/atomic"
	"time"
)

// Defaults of a [Config].
const (
	DefaultMaxMessage   = 1 << 20
	DefaultMaxFragments = 4096
	DefaultPingAfter    = 30 * time.Second
	DefaultPongWithin   = 15 * time.Second
	DefaultCloseTimeout = 5 * time.Second
)

// Config configures a [Conn]. A nil *Config and the zero value use the defaults and the role of a server.
type Config struct {
	// Client selects the role of the client, which masks what it sends.
	Client bool

	// MaxMessage limits the uncompressed size of a message in bytes, and MaxFrame that of a frame. Larger ones are
	// answered with 1009. 0 means 1 MiB, and for MaxFrame the value of MaxMessage, or what a compressed message of that
	// size can take. Conformance suites echo messages of 16 MiB.
	MaxMessage, MaxFrame int

	// MaxFragments limits the frames of a message; more are answered with 1008. 0 means 4,096. Conformance suites send
	// messages of 4 MiB in frames of 64 bytes, which are 65,536.
	MaxFragments int

	// PingAfter is how long the peer may be silent before it is sent a ping, and PongWithin how long it may then still
	// be silent before the connection is aborted. The latter does not apply while more data than the read-ahead limit
	// waits for the receiver, because a pong behind it could not be seen, nor while Out is full and the peer takes what
	// was sent before. 0 means 30 s and 15 s; a negative PingAfter means no pings.
	PingAfter, PongWithin time.Duration

	// CloseTimeout limits how long the peer may take to answer a Close frame and, if it is the server, to close the
	// connection afterwards, before the connection is aborted. 0 means 5 s.
	CloseTimeout time.Duration

	// Deflate, if not nil, configures compression, and Extension is the result of its negotiation. If both are set,
	// permessage-deflate (RFC 7692) is in use, and messages of at least Deflate.From bytes are compressed.
	Deflate   *Deflate
	Extension *Extension

	// Subprotocol and Handshake are returned by the methods of these names.
	Subprotocol string
	Handshake   textproto.MIMEHeader

	// Context, if not nil, closes the connection when it ends: with NormalClosure, or with the code of a *CloseError
	// that is its cause. [Conn.Detach] separates them.
	Context context.Context
}

// settings is what a [Conn] keeps of its Config.
type settings struct {
	*limits
	Client      bool
	Deflate     *Deflate
	Extension   *Extension
	Subprotocol string
}

type limits struct {
	MaxMessage, MaxFrame, MaxFragments  int
	PingAfter, PongWithin, CloseTimeout time.Duration
}

// latest are the limits of the latest connection. The next one often has the same, for which it needs no memory then.
var latest atomic.Pointer[limits]

// settings returns what a Conn keeps of cfg.
func (cfg *Config) settings() settings {
	c := cfg.complete()
	l := latest.Load()
	now := limits{c.MaxMessage, c.MaxFrame, c.MaxFragments, c.PingAfter, c.PongWithin, c.CloseTimeout}
	if l == nil || *l != now {
		l = &now
		latest.Store(l)
	}
	return settings{l, c.Client, c.Deflate, c.Extension, c.Subprotocol}
}

// complete returns cfg with the defaults in the place of zeros.
func (cfg *Config) complete() Config {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if c.MaxMessage <= 0 {
		c.MaxMessage = DefaultMaxMessage
	}
	if c.MaxFrame <= 0 {
		c.MaxFrame = c.MaxMessage
	}
	if c.MaxFragments <= 0 {
		c.MaxFragments = DefaultMaxFragments
	}
	c.PingAfter = cmp.Or(c.PingAfter, DefaultPingAfter)
	if c.PongWithin <= 0 {
		c.PongWithin = DefaultPongWithin
	}
	if c.CloseTimeout <= 0 {
		c.CloseTimeout = DefaultCloseTimeout
	}
	if c.Deflate == nil || c.Extension == nil {
		c.Deflate, c.Extension = nil, nil
	}
	return c
}
