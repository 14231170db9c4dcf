package websocket

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// extensionName is the one extension that is known; RFC 7692.
const extensionName = "permessage-deflate"

// Extension is the negotiated result for permessage-deflate. The zero value means that both sides keep a window of 32
// KiB from message to message.
type Extension struct {
	ServerNoTakeover, ClientNoTakeover bool // each message is compressed by itself
	ServerBits, ClientBits             int  // the window is of 1<<bits bytes; 0 means 15
	reserved                           bool // it has a place in MaxContexts
}

// sendBits returns the window bits of what this side sends.
func (x *Extension) sendBits(client bool) int {
	n := x.ServerBits
	if client {
		n = x.ClientBits
	}
	if n == 0 {
		n = maxBits
	}
	return n
}

// sendsFresh reports whether this side compresses each message by itself.
func (x *Extension) sendsFresh(client bool) bool {
	if client {
		return x.ClientNoTakeover
	}
	return x.ServerNoTakeover
}

const (
	minBits = 8
	maxBits = 15
)

// String returns x in the form of a response to an offer.
func (x *Extension) String() string {
	text := extensionName
	if x.ServerNoTakeover {
		text += "; server_no_context_takeover"
	}
	if x.ClientNoTakeover {
		text += "; client_no_context_takeover"
	}
	if x.ServerBits != 0 {
		text += "; server_max_window_bits=" + strconv.Itoa(x.ServerBits)
	}
	if x.ClientBits != 0 {
		text += "; client_max_window_bits=" + strconv.Itoa(x.ClientBits)
	}
	return text
}

// Offer returns the value of Sec-WebSocket-Extensions with which a client offers d, or "" if d is nil. If Takeover is set
// and MaxContexts connections use it already, it offers separate compression of each message.
func (d *Deflate) Offer() string {
	if d == nil {
		return ""
	}
	if d.Takeover && !d.isFull() {
		return extensionName + "; client_max_window_bits"
	}
	return extensionName + "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
}

// Accept selects, from the values of Sec-WebSocket-Extensions that a client sent, the first offer that this side
// supports. The String of the result is the answer. The result is nil if d is nil or no offer is supported. If Takeover
// is set and MaxContexts connections use it already, a server agrees to separate compression of each message.
func (d *Deflate) Accept(offers []string) *Extension {
	if d == nil {
		return nil
	}
	for _, value := range offers {
		if !quotesTokens(value) {
			continue
		}
		for offer := range strings.SplitSeq(value, ",") {
			x, err := parseExtension(offer, false)
			if err != nil || x == nil {
				continue
			}
			x.ClientBits = 0 // nothing is asked of the client
			if !d.Takeover || !d.reserveFor(x) {
				x.ServerNoTakeover, x.ClientNoTakeover = true, true
			}
			return x
		}
	}
	return nil
}

// Abandon releases the place in MaxContexts of a connection for which x was negotiated and that was not established.
func (d *Deflate) Abandon(x *Extension) {
	if d != nil && x != nil && x.reserved {
		d.unreserve()
		x.reserved = false
	}
}

// reserveFor counts a connection with x, unless nothing is kept from message to message. It reports whether there may be
// such a connection.
func (d *Deflate) reserveFor(x *Extension) bool {
	if x.ServerNoTakeover && x.ClientNoTakeover {
		return true
	}
	x.reserved = d.reserve()
	return x.reserved
}

// ErrExtension means that a handshake response has an extension that was not offered, or an unknown parameter.
var ErrExtension = errors.New("websocket: invalid extension in the response")

// Confirm parses the values of Sec-WebSocket-Extensions with which a server answered the [Deflate.Offer] of d, which is
// nil if there was no offer. It returns nil if the server agreed to no extension.
func (d *Deflate) Confirm(values []string) (*Extension, error) {
	all := strings.TrimSpace(strings.Join(values, ","))
	if all == "" {
		return nil, nil
	}
	x, err := parseExtension(all, true)
	switch {
	case !quotesTokens(all):
		return nil, fmt.Errorf("%w: %q", ErrExtension, all)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrExtension, err)
	case x == nil || d == nil || strings.Contains(all, ","):
		return nil, fmt.Errorf("%w: %q was not offered", ErrExtension, all)
	case !d.Takeover && !x.ServerNoTakeover:
		return nil, fmt.Errorf("%w: server_no_context_takeover is missing", ErrExtension)
	}
	if !d.Takeover {
		x.ClientNoTakeover = true
	}
	if !d.reserveFor(x) {
		x.ClientNoTakeover = true // a client may always forget
	}
	return x, nil
}

// quotesTokens reports whether what is quoted in value can be a token, as RFC 6455, 9.1, requires. Otherwise it could
// have separators, and an offer between them is none.
func quotesTokens(value string) bool {
	parts := strings.Split(value, `"`)
	for i, quoted := range parts {
		if i%2 == 1 && strings.ContainsAny(quoted, `,;\`) {
			return false
		}
	}
	return len(parts)%2 == 1
}

// parseExtension reads one element of Sec-WebSocket-Extensions. It returns nil if that is another extension.
func parseExtension(text string, response bool) (*Extension, error) {
	name, params, _ := strings.Cut(text, ";")
	if strings.TrimSpace(name) != extensionName {
		return nil, nil
	}
	x := new(Extension)
	if params == "" {
		return x, nil
	}
	seen := map[string]bool{}
	for param := range strings.SplitSeq(params, ";") {
		name, value, has := strings.Cut(strings.TrimSpace(param), "=")
		name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`)
		if seen[name] {
			return nil, fmt.Errorf("%s twice", name)
		}
		seen[name] = true
		if err := x.set(name, value, has, response); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *Extension) set(name, value string, has, response bool) (err error) {
	switch name {
	case "server_no_context_takeover":
		x.ServerNoTakeover = true
	case "client_no_context_takeover":
		x.ClientNoTakeover = true
	case "server_max_window_bits":
		x.ServerBits, err = windowBits(value)
		return err
	case "client_max_window_bits":
		if has || response {
			x.ClientBits, err = windowBits(value)
		}
		return err
	default:
		return fmt.Errorf("unknown parameter %q", name)
	}
	if has {
		return fmt.Errorf("%s with a value", name)
	}
	return nil
}

func windowBits(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < minBits || n > maxBits || value[0] == '0' || value[0] == '+' {
		return 0, fmt.Errorf("invalid window bits %q", value)
	}
	return n, nil
}
