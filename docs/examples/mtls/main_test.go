package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestOnlyWhoIsBelievedIsServed(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, "alice: welcome alice\nmallory: refused\nnobody: refused\n", out.String())
}
