package report

import "strings"

// entry says what a row is.
type entry struct{ Name, Means string }

// words are what the names of rows are made of. Each is shown if some row of the report begins with it, or has it behind
// its first word.
var words = []entry{
	{"weir Recv/Send", "a loop that receives one frame and sends one, as a user would write it"},
	{"weir Connect", "pipeline.Connect from the connection's Source to its Sink"},
	{"weir channel of batches", "slices of the frames at hand pass through a channel, from ReadyChunks to SendAll"},
	{"weir channels", "the frames pass through In.C and Out.C, two channels"},
	{"weir borrowed", "frames that are valid until the next receive: nothing is copied"},
	{"weir typed", "the frames are decoded into structs and encoded again"},
	{"weir wide", "frames whose lengths and bodies take the general route of the codec, not the short one"},
	{"weir raw", "bytes as they arrive, without frames"},
	{"weir proxy", "bytes from one connection to another: Connect moves chunks, Transfer lets the kernel move them"},
	{"weir udp", "datagrams as packets of a Duplex"},
	{"weir tls", "the same over TLS"},
	{"uncoalesced", "with coalescing switched off: every Send is a write of its own"},
	{"weir Record", "a codec of fields by accessor; framed has a length in front, stream goes through an io.Reader or io.Writer"},
	{"weir Struct", "a codec compiled from struct tags"},
	{"weir generated", "the codec that wiregen writes"},
	{"bufio owned", "a loop by hand over bufio whose frames belong to the receiver"},
	{"bufio borrowed", "a loop by hand over bufio whose frames lie in its buffer until the next read"},
	{"bufio typed", "a loop by hand over bufio that decodes structs and encodes them again"},
	{"bufio wide", "a loop by hand over bufio with a length of 64 bits"},
	{"bufio unbatched", "a loop by hand over bufio that flushes after each frame"},
	{"net loop", "Read and Write of a net.Conn"},
	{"two channels", "by hand: a goroutine reads into a channel and another writes from one"},
	{"gnet", "an event loop; the handler runs on it"},
	{"netpoll", "an event loop; handlers run in goroutines of a pool"},
	{"goroutines", "by hand: a goroutine for each stage, joined by channels of 128"},
	{"encoding/binary", "by hand, field by field; with reflection where the row says so"},
	{"net/http", "the standard library's server or client"},
	{"fasthttp", "a server that reuses its requests and does not speak http.Handler"},
	{"httpd", "weir's HTTP server"},
	{"httpc", "weir's HTTP client"},
	{"native", "weir's HTTP server with its own handler type in place of http.Handler"},
	{"gws", "an event-driven WebSocket library"},
	{"coder", "the WebSocket library github.com/coder/websocket"},
	{"gorilla", "the WebSocket library github.com/gorilla/websocket"},
	{"gobwas", "the WebSocket library github.com/gobwas/ws, which reuses buffers"},
}

// glossary returns the entries for the rows of the report.
func (r Report) glossary() (used []entry) {
	for _, e := range words {
		if r.hasRow(e.Name) {
			used = append(used, e)
		}
	}
	return used
}

func (r Report) hasRow(word string) bool {
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			if name := row.Name; strings.HasPrefix(name, word) || strings.Contains(name, " "+word) {
				return true
			}
		}
	}
	return false
}
