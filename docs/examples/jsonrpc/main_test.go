package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), "", &out))
	require.Equal(t, "1: 6.5\n\"b\": error -32601, no method divide\n", out.String())
}

func TestAWrongTypeNamesItsField(t *testing.T) {
	a, b := chanio.Pipe()
	served := make(chan error, 1)
	go func() {
		err := serve(t.Context(), b)
		_ = b.Close()
		served <- err
	}()
	require.NoError(t, codec.Send(t.Context(), a.Out, codec.Prefixed(codec.Uint32, codec.RawString), `{"method":7}`))
	require.NoError(t, a.Out.Close())
	err := <-served
	var wrong *codec.Error
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "method", wrong.Path)
	require.NoError(t, a.Close())
}

// FuzzRequests checks that every decoded request can be answered, and that the answer can be encoded.
func FuzzRequests(f *testing.F) {
	frame, err := codec.Marshal(requests, request{Version: "2.0", ID: json.RawMessage("1"), Method: "sum", Params: []float64{1}})
	require.NoError(f, err)
	f.Add(frame)
	f.Fuzz(func(t *testing.T, p []byte) {
		r, err := codec.Unmarshal(requests, p)
		if err != nil || r.ID == nil {
			return
		}
		_, err = codec.Marshal(responses, answer(request{Version: r.Version, ID: r.ID, Method: r.Method}))
		require.NoError(t, err)
	})
}
