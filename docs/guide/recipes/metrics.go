package recipes

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

type counters struct {
	open, opened, failed, bytesIn, bytesOut atomic.Int64
	replies                                 [6]atomic.Int64 // by the first digit of the status
}

func (m *counters) hooks() *servers.Hooks { // for servers.Config
	return &servers.Hooks{
		Opened: func(*chanio.Conn, time.Duration) { m.opened.Add(1); m.open.Add(1) },
		Returned: func(_ *chanio.Conn, err error) { // of the handler
			if err != nil && !errors.Is(err, servers.ErrShutdown) {
				m.failed.Add(1)
			}
		},
		Closed: func(c *chanio.Conn) {
			m.open.Add(-1)
			m.bytesIn.Add(c.Stats().BytesIn)
			m.bytesOut.Add(c.Stats().BytesOut)
		},
	}
}

func (m *counters) httpHooks() *httpd.Hooks { // for httpd.Config
	return &httpd.Hooks{Ended: func(a httpd.Access) { m.replies[min(a.Status/100, 5)].Add(1) }} // 0: no reply was sent
}
