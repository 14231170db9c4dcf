//go:build !linux

package chanio

// newRoute returns nil: the bytes pass through the process.
func newRoute(Upstream[[]byte], ByteSource, ByteSink) route { return nil }
