package codec

import "fmt"

// Constructors panic if a codec cannot work, with a message that says what to do instead.

// refuse panics if something is wrong.
func refuse(wrong bool, format string, args ...any) {
	if wrong {
		panic("codec: " + fmt.Sprintf(format, args...))
	}
}

// notNil panics if c is nil. It does not allocate: Recv and Send call it for each value.
func notNil[T any](c Codec[T], where string) Codec[T] {
	if c == nil {
		panic("codec: " + where + ": the Codec is nil")
	}
	return c
}

// refuseOpen panics if c, used on a connection, is open-ended.
func refuseOpen[T any](where string, isConn bool, c Codec[T]) {
	if isConn && SizeOf(c).Open {
		panic("codec: " + where + ": the codec takes all bytes up to the end of the stream, so on a connection no value would be complete before " +
			"the peer closes; put Prefixed or Delimited around it, such as Prefixed(Uint32, c) or JSONLines")
	}
}

// closed panics if a codec of this size has no end of its own.
func closed(where string, s Size) {
	refuse(s.Open, "%s: the codec takes all bytes up to the end of its frame; put Prefixed, Delimited or Exactly around it", where)
}

// positive panics unless n is at least 1.
func positive(what string, n int) { refuse(n < 1, "%s must be at least 1, got %d", what, n) }

// fits panics if a codec of this size cannot lie in n bytes.
func fits(where string, n int, s Size) {
	refuse(s.Min > n, "%s: the codec takes at least %d bytes and the limit is %d", where, s.Min, n)
}
