package httpd

import (
	"net/http"
	"sync/atomic"
	"time"
)

// date is the Date field of one second.
type date struct {
	second int64
	line   string
}

var lastDate atomic.Pointer[date]

// appendDate appends the Date field of now.
func appendDate(dst []byte) []byte {
	now := time.Now()
	d := lastDate.Load()
	if d == nil || d.second != now.Unix() {
		d = &date{second: now.Unix(), line: "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
		lastDate.Store(d)
	}
	return append(dst, d.line...)
}
