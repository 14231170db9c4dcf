// Package sse implements Server-Sent Events, the text/event-stream format of the HTML standard (WHATWG, 9.2): events as
// a codec and as a stream, and topics with many subscribers and resumption.
//
//	events := sse.Decode(body, nil)                     // *chanio.Source[sse.Event] of a response's body
//	topic := sse.NewTopic(nil)
//	_, err := topic.Publish(ctx, sse.Event{Data: "21.5"})
//	missed := topic.Subscribe(lastID)                   // what came after that ID, then what comes
//
// Over HTTP, httpd.ServeTopic and httpd.Events serve events, and httpc.Events receives them and reconnects. This
// package does not import net/http.
//
// # Guarantees
//
// The parser follows the standard: a byte order mark, lines that end in CR, LF or both, comments, unknown fields, and
// an event truncated by the end of the stream, which is dropped. No event exceeds its limit. Sent text cannot be parsed
// as another field: a line break or NUL in an ID or a type is an error.
package sse
