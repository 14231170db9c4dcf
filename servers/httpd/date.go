package httpd

import (
	"net/http"
	"sync/atomic"
	"time"
)

// date is the Date field of one second.
type date struct {
	second int64
	value  string
	line   string // of HTTP/1
}

var lastDate atomic.Pointer[date]

// appendDate appends the Date field of now for HTTP/1.
func appendDate(dst []byte) []byte { return append(dst, dateNow().line...) }

// dateNow returns the Date field of now.
func dateNow() *date {
	now := time.Now()
	d := lastDate.Load()
	if d == nil || d.second != now.Unix() {
		value := now.UTC().Format(http.TimeFormat)
		d = &date{second: now.Unix(), value: value, line: "Date: " + value + "\r\n"}
		lastDate.Store(d)
	}
	return d
}
