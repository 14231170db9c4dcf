// Package codectest helps to test codecs.
//
//	func TestOrder(t *testing.T) {
//		codectest.RoundTrip(t, orderCodec, Order{ID: 7}, Order{Note: "two"})
//	}
//
//	func FuzzOrder(f *testing.F) {
//		codectest.Fuzz(f, orderCodec, Order{ID: 7})
//	}
//
// # Guarantees
//
// Each value is decoded whole, twice in a row, byte by byte, and cut in two at every index. It is also truncated at every
// index, and its Recv is cancelled at every index.
package codectest
