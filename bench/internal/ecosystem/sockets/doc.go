// Package sockets contains only tests: WebSocket clients of other libraries against httpd, and httpc against their
// servers, with messages of every kind, in fragments, compressed in each way, with pings and close codes.
package sockets
