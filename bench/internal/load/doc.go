// Package load sends requests to an echo server, checks every reply byte for byte, and measures latencies.
//
// In a closed loop ([Spec].Rate is 0) each connection keeps a window of requests in flight, and a reply makes room for
// the next request: it finds out how much a target can do. In an open loop requests begin at a constant rate whatever
// the target does, and a reply's latency counts from the moment at which its request was to begin, not from when it
// could be sent: a target that stops for a second is late with every request of that second, as it would be for
// independent users. A closed loop sends one request in that second, and shows one late reply; leaving the others out is
// known as coordinated omission.
package load
