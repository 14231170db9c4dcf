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
// index, and its Recv is cancelled at every index. Encoders must keep the bytes before a value and agree with each other and
// with the Size of the codec.
package codectest
