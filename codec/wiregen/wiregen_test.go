package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheSampleIsCurrent(t *testing.T) {
	want, err := os.ReadFile("internal/sample/wire_gen.go")
	require.NoError(t, err)
	got, err := generate("internal/sample", "wire_gen.go", []string{"Numbers", "Trade", "Mixed"})
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go generate in internal/sample")
}

func TestWhatHasNoFunctionsIsRefusedWithTheReason(t *testing.T) {
	for source, want := range map[string]string{
		"type T int":                                     "T is not a struct",
		"type U struct{}":                                "has no type T",
		"type T struct{}":                                "T has no fields that are in the frame",
		"type T struct{ A [0]byte; B [0]int8 }":          "T has no fields that are in the frame",
		"type T struct{ A int }":                         "T.A: int has no fixed encoding, or is not known",
		"type T struct{ A *int8 }":                       "T.A: *int8 has no fixed encoding",
		"type T struct{ A other.Type }":                  "T.A: invalid type has no fixed encoding, or is not known",
		"type T struct{ A string }":                      "T.A: only texts behind their length are supported, len=u16 for example; use codec.Struct alone",
		"type T struct{ A []byte `wire:\"rest\"` }":      "T.A: only texts behind their length",
		"type T struct{ A []int8 `wire:\"count=u8\"` }":  "T.A: a slice has a number of values that differs; use codec.Struct alone",
		"type T struct{ A struct{ B uint } }":            "T.A.B: uint has no fixed encoding",
		"type T struct{ A [1000]int16 }":                 "T.A: an array of 1000 is too long to be spelled out",
		"type T struct{ A uint32 `wire:\"bits=many\"` }": "T.A: bits=many is no number",
		"type T struct{ _ struct{} `wire:\"const=x\"` }": "T._: const=x is not hexadecimal",
		"type T": "expected type",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n"+source), 0o600))
		_, err := generate(dir, "wire_gen.go", []string{"T"})
		require.ErrorContains(t, err, want, source)
	}
	_, err := generate(t.TempDir(), "wire_gen.go", []string{"T"})
	require.ErrorContains(t, err, "has no Go files")
}
