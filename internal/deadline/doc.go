// Package deadline converts the bounds of a call on a connection to the deadline of its socket.
//
// A call is bounded by its ctx, by its own time (an idle or a write timeout), by a deadline of the half
// (SetReadDeadline), and by the closing of its half. A socket has one deadline. [Deadline] sets the earliest of these
// while a call waits, and none between calls. [Context] is the converse: a deadline as a context.
package deadline
