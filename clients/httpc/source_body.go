package httpc

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
)

// sourceBody is a request body that reads from a Source.
type sourceBody struct {
	io.ReadCloser
}

func newSourceBody(ctx context.Context, src *chanio.Source[[]byte]) *sourceBody {
	return &sourceBody{chanio.NewReader(ctx, src)}
}
