// Package sketches holds five small programs, each written in two styles: with stages, and with channels and select.
// They compare how the API reads: an echo server, a server of JSON frames, a statsd, a chat room, and numbers over
// HTTP. The tests run both styles on real sockets, and count their lines.
package sketches
