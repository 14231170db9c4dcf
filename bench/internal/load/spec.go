package load

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Spec says what is sent, where, and for how long.
type Spec struct {
	URL    string        `json:"url"`    // tcp://host:port
	Codec  string        `json:"codec"`  // raw, or u32: each message behind its length as a big-endian uint32
	Size   int           `json:"size"`   // bytes of a message, without its length
	Zeros  bool          `json:"zeros"`  // behind its number a message has zeros
	Conns  int           `json:"conns"`  // connections
	Window int           `json:"window"` // requests in flight on each connection
	Warmup time.Duration `json:"warmup"` // not counted
	Time   time.Duration `json:"time"`   // counted
}

// Result is what a run came to.
type Result struct {
	Replies uint64        `json:"replies"` // counted, each of them checked
	Total   uint64        `json:"total"`   // with those of the warm-up and the end
	Time    time.Duration `json:"time"`    // in which they arrived
	CPU     time.Duration `json:"cpu"`     // of the generator, over that time
	Mallocs uint64        `json:"mallocs"` // of the generator, over that time
}

// Rate returns the replies per second.
func (r Result) Rate() float64 { return float64(r.Replies) / r.Time.Seconds() }

func (s Spec) check() (network, address string, err error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return "", "", err
	}
	switch {
	case u.Scheme != "tcp":
		return "", "", fmt.Errorf("load: scheme %q is not one of tcp", u.Scheme)
	case s.Codec != "raw" && s.Codec != "u32":
		return "", "", fmt.Errorf("load: codec %q is not one of raw, u32", s.Codec)
	case s.Size < 1 || s.Conns < 1 || s.Window < 1:
		return "", "", errors.New("load: size, conns and window must be at least 1")
	}
	return u.Scheme, u.Host, nil
}
