package load

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Spec describes what is sent, where, and for how long.
type Spec struct {
	URL     string  `json:"url"`               // tcp://host:port, tls://, unix:///path, udp://, http://host:port/path, https://, h2c://, ws://, wss://
	Codec   string  `json:"codec"`             // raw; u32, a big-endian uint32 length before each message; lines; http; or ws
	Size    int     `json:"size"`              // bytes of a message, without its length or its newline; of the body of a Post
	Deflate bool    `json:"deflate,omitempty"` // ws: messages are text in JSON, compressed; otherwise they are binary
	Post    bool    `json:"post,omitempty"`    // http: requests are POST with a body; otherwise they are GET
	Zeros   bool    `json:"zeros,omitempty"`   // messages have zeros after their number
	Conns   int     `json:"conns"`             // connections; for udp, sockets
	Window  int     `json:"window"`            // of a closed loop: requests in flight on each connection
	Rate    float64 `json:"rate,omitempty"`    // of an open loop: requests per second, over all connections; 0 is a closed loop
	Idle    float64 `json:"idle,omitempty"`    // share of the connections that carry one message and then wait
	Reuse   int     `json:"reuse,omitempty"`   // requests on a connection before another replaces it; 0 means any number

	Warmup  time.Duration `json:"warmup"`            // not counted
	Time    time.Duration `json:"time"`              // counted
	Late    time.Duration `json:"late,omitempty"`    // the latency from which a reply is late; 0 means 10 ms
	Timeout time.Duration `json:"timeout,omitempty"` // for dialling, for replies still due at the end; 0 means 5 s

	CA         []byte `json:"ca,omitempty"`         // tls: certificates in PEM that are trusted; nil means the system's
	ServerName string `json:"serverName,omitempty"` // tls: the name that the certificate has; empty means the URL's
	Insecure   bool   `json:"insecure,omitempty"`   // tls: accept any certificate

	// Loss is the share of datagrams that may remain unanswered; more is a fault of the target. 0 means none.
	Loss float64 `json:"loss,omitempty"`
}

const (
	defaultLate    = 10 * time.Millisecond
	defaultTimeout = 5 * time.Second
)

// Codecs are the valid values of Spec.Codec.
func Codecs() []string { return []string{codecRaw, codecU32, codecLines, codecHTTP, codecWebSocket} }

const (
	codecRaw   = "raw"
	codecU32   = "u32"
	codecLines = "lines"
	codecHTTP  = "http"

	codecWebSocket = "ws"
)

// UsageError reports an invalid Spec.
type UsageError struct{ Err error }

// Error implements error.
func (e *UsageError) Error() string { return "load: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Check returns a [*UsageError] if the Spec is invalid.
func (s Spec) Check() error {
	ep, err := parseEndpoint(s)
	if err == nil {
		err = errors.Join(s.checkNumbers(), s.checkDatagrams(ep.network == networkUDP), s.checkOpen())
	}
	if err != nil {
		return &UsageError{err}
	}
	return nil
}

func (s Spec) checkNumbers() error {
	switch {
	case !slices.Contains(Codecs(), s.Codec):
		return fmt.Errorf("codec %q is not one of %s", s.Codec, strings.Join(Codecs(), ", "))
	case s.Size < 1 || s.Conns < 1 || s.Window < 1:
		return errors.New("size, conns and window must be at least 1")
	case s.Rate < 0 || s.Reuse < 0 || s.Warmup < 0 || s.Time < 0 || s.Late < 0 || s.Timeout < 0:
		return errors.New("rate, reuse, warm-up, time, late and timeout must not be negative")
	case s.Post && s.Codec != codecHTTP:
		return errors.New("post is for http")
	case s.Deflate && (s.Codec != codecWebSocket || s.Size < minText):
		return fmt.Errorf("deflate is for ws, and messages of at least %d bytes", minText)
	case s.Idle < 0 || s.Idle >= 1 || s.Loss < 0 || s.Loss > 1:
		return errors.New("idle must be at least 0 and below 1, loss within 0 and 1")
	case s.Reuse > 0 && s.Reuse < s.Window:
		return fmt.Errorf("reuse %d is below the window of %d", s.Reuse, s.Window)
	}
	return nil
}

// checkDatagrams checks options that need a stream, or a number in each message.
func (s Spec) checkDatagrams(udp bool) error {
	switch {
	case !udp && s.Loss > 0:
		return errors.New("loss is for udp")
	case !udp:
		return nil
	case s.Idle > 0 || s.Reuse > 0:
		return errors.New("idle and reuse are not for udp")
	case !layoutOf(s).number:
		return fmt.Errorf("over udp a message of codec %s needs at least %d bytes, for its number", s.Codec, numberSize(s.Codec))
	case layoutOf(s).size > maxDatagram:
		return fmt.Errorf("over udp a message has at most %d bytes", maxDatagram)
	}
	return nil
}

func (s Spec) checkOpen() error {
	if s.Rate > 0 && s.Reuse > 0 {
		return errors.New("reuse is for a closed loop")
	}
	return nil
}

// late and timeout return the values of the Spec or their defaults.
func (s Spec) late() time.Duration    { return cmp.Or(s.Late, defaultLate) }
func (s Spec) timeout() time.Duration { return cmp.Or(s.Timeout, defaultTimeout) }

// idlers returns how many connections stay idle.
func (s Spec) idlers() int { return min(s.Conns-1, int(s.Idle*float64(s.Conns)+0.5)) }
