// Package deadline turns what bounds a call on a connection into the deadline of its socket.
//
// A call is bounded by its ctx, by a time of its own (an idle or a write timeout), by a time that is set beside it
// (SetReadDeadline), and by the closing of its half. A socket has one deadline. [Deadline] keeps the least of them there
// while a call waits, and nothing at all between calls. [Context] is the other direction: a deadline as a context.
package deadline
