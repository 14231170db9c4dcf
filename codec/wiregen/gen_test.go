package main

import (
	"os"
	"testing"
)

func TestGen(t *testing.T) {
	got, err := generate("internal/sample", "wire_gen.go", []string{"Numbers", "Trade", "Mixed", "Lists", "packet=PacketWire"})
	if err != nil {
		t.Log(string(got))
		t.Fatal(err)
	}
	os.WriteFile("internal/sample/wire_gen.go", got, 0o644)
}
