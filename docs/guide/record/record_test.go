package record

import (
	"strings"
	"testing"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestReading(t *testing.T) {
	codectest.Vector(t, readings, "0000000d 0007 3ff8000000000000 02 6162", Reading{7, 1.5, "ab"})
}

func TestNameThatIsTooLongIsRefused(t *testing.T) {
	codectest.Refuses(t, readings, Reading{Name: strings.Repeat("x", 256)}, codec.ErrTooLarge)
}
