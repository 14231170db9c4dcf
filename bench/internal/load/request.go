package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// newRequests returns the messages of one HTTP/1.1 connection: the same request again and again. The generator learns
// the form of the reply from the first one, which is not counted. The others must be the same except for their heads,
// which contain a date.
func newRequests(spec Spec) *messages {
	u, err := url.Parse(spec.URL)
	if err != nil {
		u = &url.URL{Host: "invalid"} // Check has rejected it
	}
	var b bytes.Buffer
	method := "GET"
	if spec.Post {
		method = "POST"
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, u.RequestURI(), u.Host)
	if spec.Post {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", spec.Size)
	}
	b.WriteString("\r\n")
	if spec.Post {
		b.Write(bytes.Repeat([]byte("x"), spec.Size))
	}
	one := b.Bytes()
	m := &messages{http: true, layout: layout{size: len(one)}}
	m.slots = bytes.Repeat(one, max(1, min(spec.Window, slotBytes/m.size)))
	return m
}

// learn sends one request and reads its reply, if the length of a reply is not known yet.
func (w *worker) learn(conn net.Conn) error {
	m := w.msgs
	if m.reply > 0 {
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(w.run.spec.timeout()))
	defer func() { _ = conn.SetDeadline(time.Time{}) }()
	failed := make(chan error, 1)
	go func() { // learn waits for it
		_, err := conn.Write(m.slots[:m.size])
		failed <- err
	}()
	counted := &countingReader{r: conn}
	in := bufio.NewReader(counted)
	read := m.readReply
	if !m.http {
		read = m.readCompressed
	}
	body, err := read(in)
	if err = errors.Join(err, <-failed); err != nil {
		return err
	}
	m.want, m.reply = body, counted.n-in.Buffered()
	w.buf = make([]byte, max(len(w.buf), m.reply*max(1, min(w.run.spec.Window, slotBytes/m.reply))))
	return nil
}

// readReply returns the body of a reply.
func (m *messages) readReply(in *bufio.Reader) ([]byte, error) {
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return nil, err
	case r.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the reply is %s", r.Status)
	case r.ContentLength < 0:
		return nil, errors.New("the reply has no Content-Length")
	}
	return body, nil
}

var statusOK = []byte("HTTP/1.1 200 ")

// checkReply checks a reply.
func (m *messages) checkReply(p []byte) error {
	if !bytes.HasPrefix(p, statusOK) {
		return errors.New("it does not begin with HTTP/1.1 200")
	}
	if !bytes.HasSuffix(p, m.want) {
		return errors.New("its body differs from the first one's")
	}
	return nil
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
