package unpack_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/internal/unpack"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

var errLarge = errors.New("too large")

// body returns packed, decompressed by gzip.
func body(packed io.Reader, judge func(err error, opened bool) error) *unpack.Body {
	b := new(unpack.Body)
	b.Init(io.NopCloser(packed), unpack.Config{
		Open:  func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		Judge: judge, MaxRatio: 100, TooLarge: errLarge,
	})
	return b
}

func zip(t *testing.T, plain string) string {
	t.Helper()
	var out strings.Builder
	z := gzip.NewWriter(&out)
	_, err := io.WriteString(z, plain)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.String()
}

func TestBodyEndsAsItsCompressedFormDoes(t *testing.T) {
	gone := errors.New("gone")
	whole := zip(t, "hello")
	for name, k := range map[string]struct {
		packed io.Reader
		plain  string
		err    error
	}{
		"whole":       {strings.NewReader(whole), "hello", nil},
		"empty":       {strings.NewReader(""), "", nil},
		"cut early":   {strings.NewReader(whole[:4]), "", io.ErrUnexpectedEOF},
		"cut late":    {strings.NewReader(whole[:len(whole)-4]), "hello", io.ErrUnexpectedEOF},
		"fails early": {io.MultiReader(strings.NewReader(whole[:4]), failing{gone}), "", gone},
		"fails late":  {io.MultiReader(strings.NewReader(whole[:len(whole)-4]), failing{gone}), "hello", gone},
		"too large":   {strings.NewReader(zip(t, strings.Repeat("\x00", 2*unpack.RatioFrom))), "", errLarge},
	} {
		t.Run(name, func(t *testing.T) {
			b := body(k.packed, nil)
			plain, err := io.ReadAll(b)
			require.ErrorIs(t, err, k.err)
			if k.err != errLarge {
				require.Equal(t, k.plain, string(plain))
			}
			again, err := b.Read(make([]byte, 1))
			require.Zero(t, again)
			if k.err == nil {
				require.Equal(t, io.EOF, err)
			} else {
				require.ErrorIs(t, err, k.err, "an error is sticky")
			}
		})
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func TestJudgeIsAskedForTheErrorsOfDecompressingAlone(t *testing.T) {
	gone, judged := errors.New("gone"), errors.New("judged")
	for packed, want := range map[io.Reader]error{
		strings.NewReader("no gzip at all"): judged,
		failing{gone}:                       gone,
	} {
		_, err := body(packed, func(_ error, opened bool) error {
			require.False(t, opened)
			return judged
		}).Read(make([]byte, 1))
		require.Equal(t, want, err)
	}
}

func TestRestTellsTheEndFromWhatIsBehindIt(t *testing.T) {
	for behind, want := range map[string]bool{"": false, "x": true} {
		b := new(unpack.Body)
		b.Init(io.NopCloser(strings.NewReader("hello"+behind)), unpack.Config{
			Open: func(r io.Reader) (io.Reader, error) { return io.LimitReader(r, 5), nil },
			Judge: func(err error, opened bool) error {
				require.Equal(t, io.EOF, err)
				require.True(t, opened)
				more, err := b.Rest()
				require.Equal(t, want, more)
				if more {
					return errLarge
				}
				return err
			},
			MaxRatio: 100,
		})
		plain, err := io.ReadAll(b)
		require.Equal(t, "hello", string(plain))
		require.Equal(t, want, err != nil)
	}
}

func TestABodyThatHasEndedIsNotRead(t *testing.T) {
	why := errors.New("why")
	b := body(strings.NewReader(zip(t, "hello")), nil)
	b.End(why)
	b.End(errLarge)
	_, err := b.Read(make([]byte, 1))
	require.Equal(t, why, err)
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	_, err = b.Read(make([]byte, 1))
	require.Equal(t, http.ErrBodyReadAfterClose, err)
}
