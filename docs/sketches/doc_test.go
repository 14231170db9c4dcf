// Package sketches holds five small programs, each in two styles, with stages and with channels and select, to see how
// the API reads before it is frozen: an echo server, a server of JSON frames, a statsd, a chat room, and numbers over
// HTTP. The suite runs both on real sockets, and counts their lines.
package sketches
