package httpc

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/http1"
)

// TestSenderThatIsHaltedHasNotFailed halts a sender whose body waits: what the server said is the error of the request.
func TestSenderThatIsHaltedHasNotFailed(t *testing.T) {
	body, _ := io.Pipe()
	x := &exchange{ctx: context.Background(), body: body, framing: http1.Framing{Kind: http1.Chunked}}
	s := send(x, nil)
	s.halt()
	<-s.done
	require.NoError(t, s.failure())
	require.False(t, s.complete())
}
