package load

import (
	"errors"
	"os"
	"time"
)

// openBatch is how many requests of an open loop are sent with one call at most, when more than one is due.
const openBatch = 64

// sendDue sends requests as they become due, and what the target did not take in time as soon as it does.
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
	err := w.conn.SetReadDeadline(time.Unix(1, 0)) // listen is to look at the quota
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

// drained sees whether every request has its reply, after a read that returned err. The first time that it is asked
// once all requests are sent, it gives the target some time for the rest.
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
