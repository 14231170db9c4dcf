package httpd

import (
	"net/http"
	"sync/atomic"
	"time"
)

// date is the Date field of one second.
type date struct {
	read  time.Time     // when the clock was read
	good  time.Duration // from then on, until the next second
	value string
	line  string // of HTTP/1
}

var lastDate atomic.Pointer[date]

// appendDate appends the Date field of now for HTTP/1.
func appendDate(dst []byte) []byte {
	d, _ := dateNow()
	return append(dst, d.line...)
}

// dateNow returns the Date field of now, and how long ago its clock was read.
func dateNow() (*date, time.Duration) {
	if d := lastDate.Load(); d != nil {
		if ago := time.Since(d.read); 0 <= ago && ago < d.good {
			return d, ago
		}
	}
	now := time.Now()
	value := now.UTC().Format(http.TimeFormat)
	d := &date{
		read: now, good: time.Second - time.Duration(now.Nanosecond()),
		value: value, line: "Date: " + value + "\r\n",
	}
	lastDate.Store(d)
	return d, 0
}

// now is time.Now, which it calls once a second: to ask how long ago that was takes 35 ns instead of 57.
func now() time.Time {
	d, ago := dateNow()
	return d.read.Add(ago)
}
