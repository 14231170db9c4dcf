package load

import (
	"errors"
	"os"
	"time"
)

// openBatch is the maximum number of due requests that one call sends in an open loop.
const openBatch = 64

// sendDue sends requests as they become due. Those that the target did not accept in time are sent as soon as it does.
func (w *worker) sendDue() error {
	for range w.part.wake {
		for n := int(w.part.due.Swap(0)); n > 0; {
			p, k := w.msgs.next(min(n, openBatch))
			w.noteLag(w.part.begins(w.msgs.sent - uint64(k)))
			if _, err := w.conn.Write(p); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					err = unanswered(uint64(n), w.run.spec.timeout())
				}
				return err
			}
			n -= k
		}
	}
	w.quota.Store(int64(w.msgs.sent) + 1)
	err := w.conn.SetReadDeadline(time.Unix(1, 0)) // makes listen check the quota
	close(w.sent)
	return err
}

func (w *worker) noteLag(begins int64) {
	if !w.run.counting.Load() || begins < w.run.from.Load() {
		return
	}
	s := w.run.rec.shard(w.id)
	s.request(w.run.now() - begins)
	s.mu.Unlock()
}

// listen reads replies until every request has one.
func (w *worker) listen() error {
	have := 0
	for {
		n, err := w.conn.Read(w.buf[have:])
		now := w.run.now()
		have += n
		got, bad := w.msgs.check(w.buf[:have])
		if bad != nil {
			return bad
		}
		have = copy(w.buf, w.buf[got*w.msgs.reply:have])
		w.note(got, now, w.part.begins)
		if done, err := w.drained(err); done || err != nil {
			return err
		}
	}
}

// drained reports whether every request has its reply, after a read that returned err. When it is first called after
// all requests were sent, it gives the target some time for the remaining replies.
func (w *worker) drained(err error) (bool, error) {
	quota := w.quota.Load()
	if quota == 0 {
		if err != nil {
			return false, w.cut(err, 0)
		}
		return false, nil
	}
	due := uint64(quota-1) - w.msgs.seen
	if err != nil && (w.patient || !errors.Is(err, os.ErrDeadlineExceeded)) {
		return false, w.cut(err, due)
	}
	if !w.patient {
		<-w.sent
		w.patient = true
		if err := w.conn.SetReadDeadline(time.Now().Add(w.run.spec.timeout())); err != nil {
			return false, err
		}
	}
	if due > 0 {
		return false, nil
	}
	return true, w.leave()
}
