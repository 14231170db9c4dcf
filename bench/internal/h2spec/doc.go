// Package h2spec contains only a test, which runs the h2spec conformance tests of HTTP/2.
package h2spec
