// Package dnsmsg writes the questions of a stub resolver and reads the answers. It does no input or output: what a
// server says is judged as bytes, so that it can be fuzzed.
package dnsmsg
