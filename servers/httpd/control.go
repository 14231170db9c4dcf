package httpd

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/weir-go/weir/internal/http2"
)

// Code is the reason for resetting an HTTP/2 stream: RFC 9113 7.
type Code = http2.Code

// The codes that handlers are likely to need. Others are written as numbers.
const (
	CodeNoError         = http2.NoError         // no error; the rest of the request is not needed
	CodeInternalError   = http2.InternalError   // this server has failed
	CodeRefusedStream   = http2.RefusedStream   // nothing was done: the client may retry the request
	CodeCancel          = http2.Cancel          // the reply is no longer needed
	CodeEnhanceYourCalm = http2.EnhanceYourCalm // the client causes too much load
	CodeHTTP11Required  = http2.HTTP11Required  // the client should retry with HTTP/1.1
)

// errReset is the cause of the end of an exchange that its handler has reset.
var errReset = errors.New("httpd: the handler has reset the exchange")

// Reset ends the exchange of w at once, whether or not a reply has started: with HTTP/2 it resets the stream with code,
// with HTTP/1 it closes the connection and ignores code. The context of the request ends, and reading the body and
// writing the reply fail. The handler continues until it returns.
//
// Only the handler's goroutine may call Reset. It finds the server of this package through Unwrap. On other servers it
// does nothing and returns an error that matches errors.ErrUnsupported; a panic with [http.ErrAbortHandler] has the
// same effect there.
func Reset(w http.ResponseWriter, code Code) error {
	own := unwrapped(w)
	if own == nil {
		return fmt.Errorf("httpd: Reset: %T: %w", w, errors.ErrUnsupported)
	}
	return own.reset(code)
}

// CloseAfter closes the connection after the reply to w. With HTTP/1 the reply announces that, if it has not started;
// with HTTP/2 a GOAWAY does, and requests in progress finish first. Only the handler's goroutine may call it. On other
// servers it sets the Connection field, which takes effect if the reply has not started.
func CloseAfter(w http.ResponseWriter) {
	if own := unwrapped(w); own != nil {
		own.closeAfter()
		return
	}
	w.Header().Set("Connection", "close")
}

// reset implements streamWriter.
func (w *response) reset(Code) error {
	switch {
	case w.conn.hijacked:
		return http.ErrHijacked
	case w.finished:
		return errFinished
	}
	if x := w.conn.current.Load(); x != nil {
		x.end(errReset)
	}
	w.wasReset = true
	w.conn.abort(errReset)
	return nil
}

// reset implements streamWriter.
func (w *streamResponse) reset(code Code) error {
	switch {
	case w.tunnel != nil:
		return http.ErrHijacked
	case w.finished:
		return errFinished
	}
	w.wasReset = true
	w.stream.Reset(code, errReset)
	return nil
}

// Reset ends the exchange at once, like the function [Reset].
func (x Exchange) Reset(code Code) error {
	e := x.valid()
	switch {
	case e.taken():
		return errHTTPTaken
	case e.over != nil:
		return Reset(e.over.w, code)
	}
	return e.resp.reset(code)
}

// CloseAfter closes the connection after this reply, like the function [CloseAfter].
func (x Exchange) CloseAfter() {
	e := x.valid()
	switch {
	case e.over != nil:
		CloseAfter(e.over.w)
	case e.w != nil:
		e.w.closeAfter()
	default:
		e.resp.closeAfter()
	}
}
