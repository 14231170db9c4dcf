// Package codectest tests codecs: those of this module, and yours.
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
// What is run on each value: whole, twice in a row, byte by byte, cut in two at every index, ended at every index, and
// with its Recv cancelled at every index.
package codectest
