// Package load sends requests to an echo server, checks every reply byte for byte, and counts them.
package load
