// Package dnsmsg encodes the questions of a stub resolver and parses the answers. It does no I/O, so parsing can be
// fuzzed.
package dnsmsg
