package httpd

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/weir-go/weir/internal/http1"
)

// Inform sends an informational response at once, such as 103 with Link fields (RFC 8297), before the reply starts. It
// may be repeated. A status of 101 or outside 100 to 199, an invalid field, and a field reserved to the server, as for
// Set, are errors, and nothing is sent. header may be nil. Nothing is sent to HTTP/1.0 clients.
//
// With an [http.ResponseWriter], use its WriteHeader.
func (x Exchange) Inform(status int, header http.Header) error {
	e := x.valid()
	switch {
	case e.taken():
		return errHTTPTaken
	case e.began():
		return errReplied
	case status < 100 || status > 199 || status == http.StatusSwitchingProtocols:
		return fmt.Errorf("httpd: %w: status %d", errInvalid, status)
	}
	for name, values := range header {
		for _, value := range values {
			if err := checkField(name, value); err != nil {
				return err
			}
		}
	}
	w := &e.resp
	if e.over != nil {
		if s := streamOf(e.over.w); s != nil {
			return s.inform(status, header.Clone())
		}
		w = e.over.w.(*response)
	}
	return w.informFields(status, header)
}

// checkField returns an error if a field of a reply is invalid or reserved.
func checkField(name, value string) error {
	if !http1.ValidToken(name) || !http1.ValidValue(value) {
		return errField(name, value)
	}
	switch http1.Lookup(name) {
	case http1.ContentLength, http1.TransferEncoding, http1.Connection, http1.Trailer:
		return fmt.Errorf("httpd: %w: field %q is the server's", errInvalid, name)
	}
	return nil
}

func errField(name, value string) error {
	return fmt.Errorf("httpd: %w: field %q: %q", errInvalid, name, value)
}

// informFields is inform for a native handler. The fields have been checked.
func (w *response) informFields(status int, header http.Header) error {
	return w.informWith(status, func(p []byte) []byte {
		for _, name := range slices.Sorted(maps.Keys(header)) {
			for _, value := range header[name] {
				p = http1.AppendField(p, name, value)
			}
		}
		return p
	})
}
