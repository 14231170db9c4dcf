package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestEachNameHasItsCertificate(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, `"shop.test": you asked for "shop.test", I am shop.test`, lines[0])
	require.Equal(t, `"www.blog.test": you asked for "www.blog.test", I am *.blog.test`, lines[1])
	require.Contains(t, lines[2], "certificate is valid for default.test, not elsewhere.test; dial one of the names")
	require.Equal(t, `"": you asked for "", I am default.test`, lines[3])
}
