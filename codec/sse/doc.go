// Package sse is Server-Sent Events, the text/event-stream of the HTML standard (WHATWG, 9.2): events as a codec and as a
// stream, and topics that many subscribe to and resume.
//
//	events := sse.Decode(body, nil)                     // *chanio.Source[sse.Event] of a response's body
//	topic := sse.NewTopic(nil)
//	_, err := topic.Publish(ctx, sse.Event{Data: "21.5"})
//	missed := topic.Subscribe(lastID)                   // what came after that id, then what comes
//
// On the side of HTTP, httpd.ServeTopic and httpd.Events serve events, and httpc.Events receives them and reconnects. This
// package has no net/http.
//
// # Guarantees
//
// The parser is that of the standard: a byte order mark, lines that end in CR, LF or both, comments, unknown fields, and an
// event that the stream's end cuts short, which is dropped. No event is longer than its limit. What is sent cannot be taken
// for another field: a line break or NUL in an id or a type is an error.
package sse
