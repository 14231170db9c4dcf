package httpd

import (
	"net/http"
	"sync/atomic"
	"time"
)

// date is the Date field for one second.
type date struct {
	second int64
	value  string
	line   string // for HTTP/1
}

var lastDate atomic.Pointer[date]

// appendDate appends the current Date field line for HTTP/1.
func appendDate(dst []byte) []byte { return append(dst, dateNow().line...) }

// dateNow returns the current Date field.
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
