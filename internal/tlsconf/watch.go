package tlsconf

import (
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// reloadInterval is the least time between checks of the files.
const reloadInterval = time.Second

// watched is a value read from files that may be replaced while the server runs.
type watched[T any] struct {
	what  string // for errors and logs
	files []string
	read  func() (T, error)
	judge func(T) // called with the value at the start and at each check
	log   *slog.Logger

	mu       sync.Mutex
	value    T
	checked  time.Time
	checking bool

	// Owned by the checker.
	seen   []fs.FileInfo // state of the files when value was read
	broken bool          // the failure has been logged
}

// watch reads the value, and returns a watched that reads it again when a file changes. log may be nil.
func watch[T any](
	what string, files []string, read func() (T, error), judge func(T), log *slog.Logger,
) (*watched[T], error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &watched[T]{what: what, files: files, read: read, judge: judge, log: log, checked: time.Now()}
	var err error
	if w.seen, err = w.look(); err != nil {
		return nil, err
	}
	if w.value, err = read(); err != nil {
		return nil, err
	}
	judge(w.value)
	return w, nil
}

// get returns the value in the files, or the last one that could be read. One caller at a time checks the files. The
// others get the current value.
func (w *watched[T]) get() T {
	if w.isDue() {
		w.check()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.value
}

func (w *watched[T]) isDue() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.checking || now.Sub(w.checked) < reloadInterval {
		return false
	}
	w.checking, w.checked = true, now
	return true
}

// check reads the files again if they have changed, and judges the value. It logs the first failure and the recovery.
func (w *watched[T]) check() {
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.checking = false
	}()
	err := w.refresh()
	w.judge(w.value)
	switch was := w.broken; {
	case err != nil && !was:
		w.broken = true
		w.log.Warn("tls: cannot reload the "+w.what+", the old one stays", "err", err)
	case err == nil && was:
		w.broken = false
		w.log.Info("tls: the "+w.what+" can be read again", "files", w.files)
	}
}

func (w *watched[T]) refresh() error {
	now, err := w.look()
	if err != nil {
		return err
	}
	if same(now, w.seen) {
		return nil
	}
	value, err := w.read()
	if err != nil {
		return err
	}
	w.seen = now
	w.mu.Lock()
	defer w.mu.Unlock()
	w.value = value
	return nil
}

func (w *watched[T]) look() ([]fs.FileInfo, error) {
	infos := make([]fs.FileInfo, len(w.files))
	for i, name := range w.files {
		info, err := os.Stat(name)
		if err != nil {
			return nil, unreadable(w.what, err)
		}
		infos[i] = info
	}
	return infos, nil
}

// same reports whether the files seem unchanged. A file with another inode has changed, even if its size and
// modification time are the same.
func same(a, b []fs.FileInfo) bool {
	for i := range a {
		if !os.SameFile(a[i], b[i]) || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size() {
			return false
		}
	}
	return true
}
