package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheSamplesAreCurrent(t *testing.T) {
	for dir, args := range map[string]string{
		"internal/sample":         "Numbers Trade Mixed Lists packet=PacketWire",
		"internal/sample/awkward": "-le Record Box Alias Instance Paths Single",
	} {
		want, err := os.ReadFile(filepath.Join(dir, "wire_gen.go"))
		require.NoError(t, err)
		args, little := strings.CutPrefix(args, "-le ")
		got, err := generate(dir, "wire_gen.go", little, strings.Fields(args))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run go generate in %s", dir)
	}
}

// written returns what is written for T in a package of these files.
func written(t *testing.T, out string, files map[string]string) (string, error) {
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	got, err := generate(dir, out, false, []string{"T"})
	return string(got), err
}

func TestBuildConstraintsAreKept(t *testing.T) {
	const declared = "package a\n\ntype T struct{ A uint8 }\n"
	for name, test := range map[string]struct{ head, want string }{
		"a.go":             {"", ""},
		"plan9.go":         {"", ""},
		"a_plan9.go":       {"", "//go:build plan9\n"},
		"a_plan9_arm64.go": {"", "//go:build plan9 && arm64\n"},
		"a_arm64_plan9.go": {"", "//go:build plan9\n"},
		"a_arm64.go":       {"//go:build !x || y\n\n", "//go:build arm64 && (!x || y)\n"},
		"a_other.go":       {"// A licence.\n\n//go:build neverset\n\n", "//go:build neverset\n"},
		"a_linux_x.go":     {"// Not a constraint:\n\n/* //go:build x */\n", ""},
	} {
		got, err := written(t, "wire_gen.go", map[string]string{name: test.head + declared, "broken_plan9.go": "package"})
		require.NoError(t, err, name)
		require.Equal(t, test.want != "", strings.Contains(got, "//go:build"), name)
		require.Contains(t, got, test.want+"\npackage a\n", name)
	}
}

func TestOneOfSeveralFilesForDifferentSystemsIsChosen(t *testing.T) {
	files := map[string]string{
		"a_linux.go":  "package a\n\ntype T struct{ A number }\n\ntype number uint16\n",
		"a_plan9.go":  "package a\n\ntype T struct{ A number }\n\ntype number uint32\n",
		"a_test.go":   "package a\n\ntype U struct{ A uint8 }\n",
		"ext_test.go": "package a_test\n\ntype V struct{ A uint8 }\n",
	}
	t.Setenv("GOFILE", "a_plan9.go")
	got, err := written(t, "wire_gen.go", files)
	require.NoError(t, err)
	require.Contains(t, got, "//go:build plan9\n")
	require.Contains(t, got, "Size{Min: 4, Max: 4}")
	for _, name := range []string{"U", "V"} {
		files["a_plan9.go"] = strings.ReplaceAll(files["a_plan9.go"], "T struct", "T2 struct")
		files["a_linux.go"] = "package a\n"
		text := strings.ReplaceAll(files["a_test.go"]+files["ext_test.go"], "type "+name, "type T")
		before, after, _ := strings.Cut(text, "package a_test")
		_, err = written(t, "wire_gen.go", map[string]string{"a_test.go": before, "ext_test.go": "package a_test" + after})
		require.ErrorContains(t, err, "write a test file too, such as -o wire_gen_test.go")
		got, err = written(t, "wire_gen_test.go", map[string]string{"a_test.go": before, "ext_test.go": "package a_test" + after})
		require.NoError(t, err)
		require.Equal(t, name == "V", strings.Contains(got, "package a_test"))
	}
}

func TestWhatCannotBeWrittenIsRefusedWithTheReason(t *testing.T) {
	for source, want := range map[string]string{
		"type T int":                 "T is not a struct",
		"type U struct{}":            "has no type T",
		"func T() {}":                "has no type T",
		"type T struct{}":            "T: a.T has no exported fields",
		"type T struct{ A int }":     "T.A: int has no fixed encoding",
		"type T struct{ A [0]byte }": "T.A: [0]byte has no fixed encoding",
		"type T struct{ A *int8 }":   "T.A: *int8 has no fixed encoding",
		"type T struct{ A uintptr }": "T.A: uintptr has no fixed encoding",
		"type T struct{ A Other }":   "T.A: undefined: Other",
		"import \"nowhere.example/x\"\ntype T struct{ A x.Y }":                                  "T.A: ",
		"import \"time\"\ntype T struct{ A struct{ B time.Time } }":                             "T.A.B: time.Time has no exported fields",
		"type T struct{ A string }":                                                             "T.A: the field needs a tag such as `wire:\"len=u16\"`",
		"type T struct{ A string `wire:\"len=u64\"` }":                                          "T.A: the field needs a tag such as",
		"type T struct{ A string `wire:\"len=u8le\"` }":                                         "T.A: the field needs a tag such as",
		"type T struct{ A []int8 `wire:\"len=u8\"` }":                                           "T.A: the field needs a tag such as `wire:\"count=u16\"`",
		"type T struct{ A []byte `wire:\"len=u8,raw\"` }":                                       "T.A: the tag has \"raw\", which has no meaning for this field",
		"type T struct{ A string `wire:\"len=u8,max=300\"` }":                                   "T.A: max=300 is more than u8 can express",
		"type T struct{ A string `wire:\"len=u8,len=u16\"` }":                                   "T.A: the tag has \"len\" twice",
		"type T struct{ A string `wire:\"len=u8,raw=1\"` }":                                     "T.A: the tag has \"raw=1\", which has no meaning; see the comment of codec.Struct",
		"type T struct{ A uint8 `wire:\"le\"` }":                                                "T.A: the tag has \"le\", which has no meaning for this field",
		"type T struct{ A uint16 `wire:\"le,be\"` }":                                            "T.A: the tag has both le and be",
		"type T struct{ A uint16 `wire:\"bits=24\"` }":                                          "T.A: the tag has \"bits\", which has no meaning for this field",
		"type T struct{ A uint32 `wire:\"bits=20\"` }":                                          "T.A: bits=20 is not 24 or 32",
		"type T struct{ A uint32 `wire:\"bits=many\"` }":                                        "T.A: bits=many is not 24 or 32",
		"type T struct{ A bool `wire:\"be\"` }":                                                 "T.A: the tag has \"be\", which has no meaning for this field",
		"type T struct{ A []byte `wire:\"len=u8,max=0\"` }":                                     "T.A: max=0 is not a number of at least 1",
		"type T struct{ _ struct{} `wire:\"const=x\"` }":                                        "T._: const=x is not hexadecimal",
		"type T struct{ _ uint16 }":                                                             "T._: a field named _ needs a tag",
		"type T struct{ A []byte `wire:\"rest\"`; B uint8 }":                                    "T.B: the field follows one that takes the rest of the frame",
		"type T struct{ A [2][]byte `wire:\"rest\"` }":                                          "T.A: only one field can take the rest of the frame",
		"type T struct{ A []string `wire:\"count=u8,rest\"` }":                                  "T.A: the values of the slice have no end of their own",
		"type T struct{ A []T `wire:\"count=u8\"` }":                                            "T.A: a.T contains itself",
		"type T struct{ A uint8; b uint8 `wire:\"le\"` }":                                       "T.b: the field is not exported, so it is not in the frame",
		"type b uint8\ntype T struct{ A []b `wire:\"len=u8\"` }":                                "T.A: []a.b: a slice of a defined byte type cannot be converted",
		"type p uint16\ntype T struct{ A p }":                                                   "T.A: the code uses the name of the type p for a variable",
		"type T[V any] struct{ A V }":                                                           "T.A: the type parameter V has no fixed encoding",
		"type T[v any] struct{ A uint8; b v }":                                                  "T: the code uses the name of the type parameter v for a variable",
		"type E[V any] struct{ A uint8 }\ntype T[V any] struct{ A []E[V] `wire:\"count=u8\"` }": "T.A: the elements depend on a type parameter",
		"type T struct{ A uint8 }\nfunc append() {}":                                            "the package or a type parameter declares append, which the code needs in its usual sense",
		"type T[error any] struct{ A uint8; b error }":                                          "the package or a type parameter declares error, which",
		"type T struct{ A uint16 `wire:\"-,le\"`; B uint8 }":                                    "T.A: the tag has \"le\", which has no meaning for this field",
		"type T struct{ A uint8 }\nvar TCodec int":                                              "TCodec cannot be the name of a codec, or is one already; choose another: T=name",
		"type T": "expected type",
	} {
		_, err := written(t, "wire_gen.go", map[string]string{"a.go": "package a\n" + source})
		require.ErrorContains(t, err, want, source)
	}
	_, err := generate(t.TempDir(), "wire_gen.go", false, []string{"T"})
	require.ErrorContains(t, err, "has no type T")
}

func TestTypesWithDifferentConstraintsAreRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a_linux.go"), []byte("package a\ntype T struct{ A uint8 }"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.go"), []byte("package a\ntype U struct{ A uint8 }"), 0o600))
	_, err := generate(dir, "wire_gen.go", false, []string{"T", "U"})
	require.ErrorContains(t, err, "T and U have different build constraints or packages")
}

func TestATypeParameterMayBeCalledLikeAPackage(t *testing.T) {
	got, err := written(t, "wire_gen.go", map[string]string{"a.go": "package a\ntype T[codec any] struct{ A uint16; b codec }"})
	require.NoError(t, err)
	require.Contains(t, got, "func (TCodec[codec]) Decode(r *codec2.Reader)")
}

func TestSizesOfLongListsSaturate(t *testing.T) {
	got, err := written(t, "wire_gen.go", map[string]string{"a.go": "package a\ntype T struct{ A []string `wire:\"count=u32,len=u32,max=2147483647\"` }"})
	require.NoError(t, err)
	require.Contains(t, got, "{Min: 4, Max: codec.Unbounded}")
	require.NotContains(t, got, "Max: 2147483651")
}
