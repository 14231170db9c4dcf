// Package load sends requests to an echo server, checks every reply byte for byte, and measures latencies.
//
// In a closed loop ([Spec].Rate is 0) each connection keeps a window of requests in flight, and a reply makes room for
// the next request. This measures the capacity of a target. In an open loop requests start at a constant rate whatever
// the target does, and the latency of a reply counts from the time at which its request was due, not from when it could
// be sent. If a target stops for a second, every request of that second is late, as it would be for independent users.
// A closed loop sends one request in that second and shows one late reply; omitting the others is known as coordinated
// omission.
package load
