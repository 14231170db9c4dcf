package codec_test

import (
	"testing"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// An invalid number is an error whatever follows it, also nothing.
func TestAnInvalidNumberIsReportedBeforeOneThatIsMissing(t *testing.T) {
	type flags struct {
		A bool
		N uint32
		B bool
		M uint16
	}
	table := codec.Struct[flags]()
	for _, rest := range []string{"", "00", "0000 0001", "0000 0001 01", "0000 0001 02", "0000 0001 01 0000"} {
		codectest.Rejects(t, table, "02"+rest, codec.ErrMalformed, 0)
	}
	for _, rest := range []string{"", "00", "0000"} {
		codectest.Rejects(t, table, "01 0000 0001 07"+rest, codec.ErrMalformed, 5)
	}
}
