// Package h2spec has no code but the test that runs the conformance tests of HTTP/2.
package h2spec
