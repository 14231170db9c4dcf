package http1

// Limits limits what is read of a message. Lengths are in bytes; those of lines exclude the end of the line.
type Limits struct {
	StartLine     int // request or status line
	Method        int
	Head          int // start line, fields and every end of line, without empty lines before a request
	Field         int // one field line, or a folded one in all
	Fields        int // number of them
	EmptyLines    int // before a request
	ChunkLine     int // size and extensions of a chunk
	ChunkExcess   int // extensions and padding of a body, beyond twice its data
	Trailer       int // trailers in all
	TrailerFields int
}

// ServerLimits returns the defaults for requests.
func ServerLimits() Limits {
	return Limits{
		StartLine: 8 << 10, Method: 32, Head: 64 << 10, Field: 16 << 10, Fields: 100, EmptyLines: 4,
		ChunkLine: 256, ChunkExcess: 16 << 10, Trailer: 8 << 10, TrailerFields: 32,
	}
}

// ClientLimits returns the defaults for responses.
func ClientLimits() Limits {
	return Limits{
		StartLine: 8 << 10, Head: 256 << 10, Field: 256 << 10, Fields: 256,
		ChunkLine: 256, ChunkExcess: 16 << 10, Trailer: 8 << 10, TrailerFields: 32,
	}
}
