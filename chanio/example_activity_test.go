package chanio_test

import (
	"context"
	"log/slog"
	"os"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func ExampleLogActivity() {
	plain := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	near, far := chaniotest.Pipe(0)
	near = chanio.LogActivity(near, slog.New(slog.NewTextHandler(os.Stdout, plain)), slog.LevelInfo, 16)
	conn := chanio.NewConn(near, nil)
	ctx := context.Background()
	_ = conn.Out.Send(ctx, []byte("hello"))
	_ = conn.Out.Flush(ctx)
	conn.Abort(nil)
	<-conn.Done()
	_ = far.Close()
	// Output:
	// level=INFO msg="chanio: opened" local=pipe:a peer=pipe:b
	// level=INFO msg="chanio: wrote" local=pipe:a peer=pipe:b bytes=5 dump="\n00000000  68 65 6c 6c 6f                                    |hello|\n"
	// level=INFO msg="chanio: aborted" local=pipe:a peer=pipe:b
	// level=INFO msg="chanio: closed" local=pipe:a peer=pipe:b
}
