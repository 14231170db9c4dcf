package websocket

import (
	"cmp"
	"context"
	"net/textproto"
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

// Config says how a [Conn] behaves. The zero value, and nil, mean the defaults and the role of a server.
type Config struct {
	// Client says that this side is the client, which masks what it sends.
	Client bool

	// MaxMessage is how many bytes a message may have, uncompressed, and MaxFrame how many a frame may have. More is
	// answered with 1009. 0 means 1 MiB, and for MaxFrame what MaxMessage is. Conformance suites echo messages of 16 MiB.
	MaxMessage, MaxFrame int

	// MaxFragments is how many frames a message may have; more is answered with 1008. 0 means 4,096. Conformance suites send
	// messages of 4 MiB in frames of 64 bytes, which are 65,536.
	MaxFragments int

	// PingAfter is after how long without a byte from the peer it is sent a ping, and PongWithin how long it may then send
	// nothing before the connection is aborted. While the receiver keeps more than is read ahead waiting, nobody could
	// see a pong, so the peer is not held to that. 0 means 30 s and 15 s; a negative PingAfter means no pings.
	PingAfter, PongWithin time.Duration

	// CloseTimeout is how long the peer may take to answer a Close frame, and, of a server, to close the connection
	// afterwards. Then it is aborted. 0 means 5 s.
	CloseTimeout time.Duration

	// Deflate, if not nil, is how messages are compressed, and Extension what was negotiated: both are set if permessage-
	// deflate (RFC 7692) is in use, and then messages of at least Deflate.From bytes are compressed.
	Deflate   *Deflate
	Extension *Extension

	// Subprotocol and Handshake are what the methods of these names return.
	Subprotocol string
	Handshake   textproto.MIMEHeader

	// Context, if not nil, ends the connection when it ends, as CloseWith(NormalClosure) does, or with the code of a
	// *CloseError that is its cause. [Conn.Detach] lifts that.
	Context context.Context
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
