package codec_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
)

// A record that is encoded into the middle of a buffer, such as a header before its body, does not change the bytes
// after it.
func TestARecordWritesNothingBehindItself(t *testing.T) {
	type header struct {
		A, B, C uint64
		Name    string
		D       uint16
		Note    string
		E       uint32
		F       uint8
	}
	name := codec.Field("name", func(h *header) *string { return &h.Name }, codec.Prefixed(codec.Uint16, codec.String))
	note := codec.Field("note", func(h *header) *string { return &h.Note }, codec.Prefixed(codec.Uint8, codec.String))
	little := codec.Field("note", func(h *header) *string { return &h.Note }, codec.Prefixed(codec.Uint32LE, codec.String))
	a := codec.Field("a", func(h *header) *uint64 { return &h.A }, codec.Uint64)
	d := codec.Field("d", func(h *header) *uint16 { return &h.D }, codec.Uint16)
	e := codec.Field("e", func(h *header) *uint32 { return &h.E }, codec.Uint32)
	f := codec.Field("f", func(h *header) *uint8 { return &h.F }, codec.Uint8)
	records := map[string]codec.Codec[header]{
		"text last":        codec.Record(a, d, name),
		"text alone":       codec.Record(name),
		"two texts":        codec.Record(name, note),
		"little":           codec.Record(e, little),
		"number last":      codec.Record(name, d),
		"wide number last": codec.Record(name, a),
		"numbers last":     codec.Record(a, name, e, d),
		"byte last":        codec.Record(a, name, d, f),
		"numbers":          codec.Record(d, e),
		"number":           codec.Record(d),
	}
	for what, c := range records {
		t.Run(what, func(t *testing.T) {
			for n := range 20 {
				h := header{A: 1 << 60, Name: string(bytes.Repeat([]byte{'n'}, n)), D: 0x1234, Note: "x", E: 7, F: 9}
				alone, err := c.Append(nil, h)
				require.NoError(t, err)
				for _, behind := range []int{0, 1, 7, 8, 30} {
					buf := bytes.Repeat([]byte{0xaa}, len(alone)+behind)
					got, err := codec.MarshalAppend(c, buf[:0], &h)
					require.NoError(t, err)
					require.Equal(t, alone, got)
					require.Equal(t, alone, buf[:len(alone)], "there was room for it")
					require.Equal(t, bytes.Repeat([]byte{0xaa}, behind), buf[len(alone):])
				}
				back, err := codec.Unmarshal(c, alone)
				require.NoError(t, err)
				again, err := c.Append(nil, back)
				require.NoError(t, err)
				require.Equal(t, alone, again)
			}
		})
	}
}
