package codectest_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// text is a codec by hand, of a text after its length. Its parts can be exchanged for wrong ones.
type text struct {
	append func(dst []byte, v string) ([]byte, error)
	head   func(dst []byte, v string) (head, body []byte, err error)
	size   codec.Size
}

func right() text {
	t := text{size: codec.Size{Min: 1, Max: 256}}
	t.append = func(dst []byte, v string) ([]byte, error) { return append(append(dst, byte(len(v))), v...), nil }
	t.head = func(dst []byte, v string) (head, body []byte, err error) {
		return append(dst, byte(len(v))), []byte(v), nil
	}
	return t
}

func (c text) Append(dst []byte, v string) ([]byte, error) { return c.append(dst, v) }
func (c text) AppendHead(dst []byte, v string) (head, body []byte, err error) {
	return c.head(dst, v)
}
func (c text) Size() codec.Size { return c.size }
func (c text) Decode(r *codec.Reader) (string, error) {
	n, err := r.Uint8()
	if err != nil {
		return "", err
	}
	return r.Text(int(n))
}

func TestRoundTripNoticesWrongEncoders(t *testing.T) {
	require.False(t, fails(t, right()))
	for name, spoil := range map[string]func(c *text){
		"Append overwrites dst": func(c *text) {
			c.append = func(dst []byte, v string) ([]byte, error) { return right().append(dst[:0], v) }
		},
		"Append starts anew": func(c *text) {
			c.append = func(_ []byte, v string) ([]byte, error) { return right().append(nil, v) }
		},
		"AppendHead differs": func(c *text) {
			c.head = func(dst []byte, v string) (head, body []byte, err error) { return append(dst, 0), []byte(v), nil }
		},
		"Min is too much":   func(c *text) { c.size.Min = 4 },
		"Max is too little": func(c *text) { c.size.Max = 3 },
	} {
		c := right()
		spoil(&c)
		require.True(t, fails(t, c), name)
	}
}

// fails reports whether RoundTrip fails.
func fails(t *testing.T, c codec.Codec[string]) bool {
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		codectest.RoundTrip(f, c, "", "abc")
	}()
	<-done
	return f.failed
}

// failing is a test that may fail.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper()               {}
func (f *failing) Errorf(string, ...any) { f.failed = true }
func (f *failing) FailNow() {
	f.failed = true
	runtime.Goexit()
}
