package httpd

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"

	"github.com/weir-go/weir/chanio"
)

// store reads the content of p into memory or onto disk.
func (m *multiparts) store(p *Part, raw *multipart.Part) error {
	var held bytes.Buffer
	left := m.cfg.MaxMemory - m.memory
	if _, err := io.Copy(&held, beyond(raw, left)); err != nil {
		return err
	}
	if int64(held.Len()) > left {
		return m.storeOnDisk(p, io.MultiReader(&held, raw))
	}
	m.memory += int64(held.Len())
	m.current = nil
	p.Size = int64(held.Len())
	p.Source = chanio.FromReader(&held)
	p.release = func() { _ = p.Source.Close() }
	return nil
}

// storeOnDisk writes content to a temporary file, which is unlinked at once if the system allows that.
func (m *multiparts) storeOnDisk(p *Part, content io.Reader) error {
	f, err := os.CreateTemp(m.cfg.TempDir, "httpd-part-*") // with mode 0600
	if err != nil {
		return err
	}
	remove := func() error { return nil }
	if os.Remove(f.Name()) != nil { // the system does not remove open files
		remove = func() error { return os.Remove(f.Name()) }
	}
	left := m.cfg.MaxDisk - m.disk
	n, err := io.Copy(f, beyond(content, left))
	if err == nil && n > left {
		err = refusef(http.StatusRequestEntityTooLarge, "multipart: more than %d bytes of files: %w", m.cfg.MaxDisk, chanio.ErrTooLarge)
	}
	if err != nil {
		return errors.Join(err, f.Close(), remove())
	}
	m.disk += n
	m.current = nil
	p.Size, p.OnDisk = n, true
	p.Source = chanio.FromFile(f, 0, n)
	p.release = func() {
		_ = p.Source.Close()
		_ = f.Close() // it was only read
		_ = remove()  // the error cannot be reported
	}
	return nil
}
