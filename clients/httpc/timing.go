package httpc

import (
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// Timing holds the durations of the phases of a request, for the last hop if there were redirects. A phase that did not
// happen is 0.
type Timing struct {
	Start  time.Time     // of the first hop
	Wait   time.Duration // for a connection, including its dial
	DNS    time.Duration // looking up the host
	Dial   time.Duration // connecting
	TLS    time.Duration // the handshake
	Send   time.Duration // from the connection to the end of the request
	Server time.Duration // from then to the first byte of the response
	Total  time.Duration // from Start to the first byte of the response
	Reused bool          // the connection was reused
}

// timing records the times of events. Its hooks are called by several goroutines.
type timing struct {
	mu                                   sync.Mutex
	times                                Timing
	asked, dns, dial, secure, got, wrote time.Time
}

func (m *timing) get() Timing {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.times
}

// note calls f with the current time and the lock held.
func (m *timing) note(f func(t *Timing, now time.Time)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.times, time.Now())
}

// trace adds the hooks that measure the call.
func (x *call) trace() {
	m := &timing{}
	m.times.Start = time.Now()
	x.timing = m
	x.Context = httptrace.WithClientTrace(x.Context, m.hooks())
}

func (m *timing) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			m.note(func(t *Timing, now time.Time) { // each hop and each attempt starts anew
				*t = Timing{Start: t.Start}
				m.asked, m.wrote = now, time.Time{}
			})
		},
		DNSStart: func(httptrace.DNSStartInfo) { m.note(func(_ *Timing, now time.Time) { m.dns = now }) },
		DNSDone: func(httptrace.DNSDoneInfo) {
			m.note(func(t *Timing, now time.Time) { t.DNS = now.Sub(m.dns) })
		},
		ConnectStart: func(string, string) { m.note(func(_ *Timing, now time.Time) { m.dial = now }) },
		ConnectDone: func(string, string, error) {
			m.note(func(t *Timing, now time.Time) { t.Dial = now.Sub(m.dial) })
		},
		TLSHandshakeStart: func() { m.note(func(_ *Timing, now time.Time) { m.secure = now }) },
		TLSHandshakeDone: func(tls.ConnectionState, error) {
			m.note(func(t *Timing, now time.Time) { t.TLS = now.Sub(m.secure) })
		},
		GotConn: func(info httptrace.GotConnInfo) {
			m.note(func(t *Timing, now time.Time) { t.Wait, t.Reused, m.got = now.Sub(m.asked), info.Reused, now })
		},
		WroteRequest: func(httptrace.WroteRequestInfo) {
			m.note(func(t *Timing, now time.Time) { t.Send, m.wrote = now.Sub(m.got), now })
		},
		GotFirstResponseByte: func() {
			m.note(func(t *Timing, now time.Time) {
				if t.Total = now.Sub(t.Start); !m.wrote.IsZero() {
					t.Server = now.Sub(m.wrote)
				}
			})
		},
	}
}
