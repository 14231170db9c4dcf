package codec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allWidths has numbers of all widths and both orders among texts.
type allWidths struct {
	A uint64
	B uint32
	C uint8
	D bool
	E uint16 `wire:"le"`
	F int64
	G string `wire:"len=u8"`
	H uint16
	I uint16
	J float32
	K []byte `wire:"len=u16le"`
	L uint32
	M string `wire:"len=u32"`
	N uint32 `wire:"le"`
	O string `wire:"len=u32le"`
}

func TestARecordWithTextsIsTheSameWhateverTheRoomBehindIt(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 7, 8, 9, 16, 17, 40} {
		text := strings.Repeat("x", n)
		v := allWidths{1, 2, 3, true, 0x0405, -6, text, 7, 8, 1.5, []byte(text), 9, text, 10, text}
		var want []byte
		want = append(want, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 3, 1, 5, 4, 255, 255, 255, 255, 255, 255, 255, 250, byte(n))
		want = append(append(want, text...), 0, 7, 0, 8, 0x3f, 0xc0, 0, 0, byte(n), 0)
		want = append(append(want, text...), 0, 0, 0, 9, 0, 0, 0, byte(n))
		want = append(append(want, text...), 10, 0, 0, 0, byte(n), 0, 0, 0)
		want = append(want, text...)
		sameWhateverTheRoom(t, v, want)
	}
}

// A number is written as eight bytes around it in the struct. Here there are few bytes before it, after it, or on both
// sides.
func TestARecordIsTheSameWhereverItsNumbersLieInTheStruct(t *testing.T) {
	type first struct {
		A uint16
		B uint32
		T string `wire:"len=u8"`
	}
	sameWhateverTheRoom(t, first{0x0102, 0x03040506, "ab"}, []byte("\x01\x02\x03\x04\x05\x06\x02ab"))
	type last struct {
		T string `wire:"len=u16"`
		A [3]uint16
		B uint8
	}
	sameWhateverTheRoom(t, last{"ab", [3]uint16{0x0102, 0x0304, 0x0506}, 7}, []byte("\x00\x02ab\x01\x02\x03\x04\x05\x06\x07"))
	type twelve struct {
		A uint32
		F bool
		B uint16
		C int32
	}
	sameWhateverTheRoom(t, twelve{0x01020304, true, 0x0506, -2}, []byte("\x01\x02\x03\x04\x01\x05\x06\xff\xff\xff\xfe"))
	type four struct {
		F bool
		B uint16
	}
	sameWhateverTheRoom(t, four{true, 0x0506}, []byte("\x01\x05\x06"))
	type odd struct {
		F bool
		A uint32
		B uint64 // at an odd word where an int has 32 bits
		C [9]byte
		D [5]uint16 `wire:"le"`
	}
	sameWhateverTheRoom(t, odd{true, 0x01020304, 0x0102030405060708, [9]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, [5]uint16{1, 2, 3, 4, 5}},
		[]byte("\x01\x01\x02\x03\x04\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x09\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00"))
}

// sameWhateverTheRoom encodes v after three bytes, with each capacity.
func sameWhateverTheRoom[T any](t *testing.T, v T, want []byte) {
	t.Helper()
	c := Struct[T]()
	for room := range len(want) + 20 {
		before := make([]byte, 3+len(want)+40)
		for i := range before {
			before[i] = 0xee
		}
		got, err := c.Append(before[:3:3+room], v)
		require.NoError(t, err)
		require.Equal(t, append([]byte{0xee, 0xee, 0xee}, want...), got, fmt.Sprint(v, " ", room))
		for _, b := range before[3+room:] {
			require.Equal(t, byte(0xee), b, "a byte behind the capacity was written")
		}
		if room >= len(want) {
			require.Same(t, &before[0], &got[0], "there was room")
		}
	}
	back, err := Unmarshal(c, want)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(v), fmt.Sprint(back))
}

func TestARecordWithATextThatDoesNotFitIsRefusedWhateverTheRoom(t *testing.T) {
	c := Struct[allWidths]()
	for _, room := range []int{0, 100, 2000} {
		dst := make([]byte, 0, room)
		_, err := c.Append(dst, allWidths{G: strings.Repeat("x", 256)})
		require.ErrorIs(t, err, ErrTooLarge)
		require.ErrorContains(t, err, "G")
		_, err = c.Append(dst, allWidths{G: strings.Repeat("x", 255)})
		require.NoError(t, err)
		_, err = c.Append(dst, allWidths{M: "a\xff"})
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorContains(t, err, "M")
	}
}

// A number of 24 bits prevents a record from being written at once, with or without room for it.
func TestARecordOf24BitsBeforeATextIsTheSameWhateverTheRoom(t *testing.T) {
	type odd struct {
		A uint32 `wire:"bits=24"`
		B uint64
		T string `wire:"len=u8"`
	}
	sameWhateverTheRoom(t, odd{0x010203, 4, "a text"}, []byte("\x01\x02\x03\x00\x00\x00\x00\x00\x00\x00\x04\x06a text"))
}

// A length of one byte is written as eight bytes if the text after it has the other seven.
func TestARecordThatEndsInAShortTextIsTheSameWhateverTheRoom(t *testing.T) {
	type short struct {
		A uint64
		T string `wire:"len=u8"`
	}
	for n := range 10 {
		text := strings.Repeat("x", n)
		sameWhateverTheRoom(t, short{1, text}, append([]byte{0, 0, 0, 0, 0, 0, 0, 1, byte(n)}, text...))
	}
}
