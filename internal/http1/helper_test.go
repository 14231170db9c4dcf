package http1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pieces is a ByteSource that yields a stream in the given pieces. The next Fill or Read overwrites what it has lent,
// so that a slice that is kept too long is detected.
type pieces struct {
	rest [][]byte
	buf  []byte
	lent [][]byte
	end  error // after the last piece; nil means io.EOF
}

func inPieces(p ...string) *pieces {
	s := &pieces{}
	for _, one := range p {
		s.rest = append(s.rest, []byte(one))
	}
	return s
}

// cutAt cuts the input in two.
func cutAt(input string, at int) *pieces { return inPieces(input[:at], input[at:]) }

// byteByByte cuts the input after every byte.
func byteByByte(input string) *pieces { return inPieces(strings.Split(input, "")...) }

func (s *pieces) Buffered() []byte { return s.buf }

func (s *pieces) Fill(context.Context, int) error {
	for len(s.rest) > 0 && len(s.rest[0]) == 0 {
		s.rest = s.rest[1:]
	}
	if len(s.rest) == 0 {
		if s.end != nil {
			return s.end
		}
		return io.EOF
	}
	grown := append(bytes.Clone(s.buf), s.rest[0]...)
	s.poison()
	s.rest = s.rest[1:]
	s.buf = grown
	s.lent = append(s.lent[:0], grown)
	return nil
}

func (s *pieces) poison() {
	for _, p := range s.lent {
		for i := range p {
			p[i] = 0xee
		}
	}
}

func (s *pieces) Discard(n int) { s.buf = s.buf[n:] }

func (s *pieces) Read(ctx context.Context, p []byte) (int, error) {
	if len(s.buf) == 0 {
		if err := s.Fill(ctx, len(p)); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.buf)
	kept := bytes.Clone(s.buf[n:])
	s.poison()
	s.buf = kept
	s.lent = append(s.lent[:0], kept)
	return n, nil
}

func (s *pieces) Clone(p []byte) []byte { return bytes.Clone(p) }

// written is a ByteSink that keeps what it accepts. Scratch is overwritten after it was returned.
type written struct {
	scratch []byte
	all     []byte
	ends    int
	fail    error
}

func (s *written) Begin() []byte {
	if s.scratch == nil {
		s.scratch = make([]byte, 0, 8<<10)
	}
	return s.scratch[:0]
}

func (s *written) End(_ context.Context, scratch, body []byte) error {
	if s.fail != nil {
		return s.fail
	}
	s.ends++
	s.all = append(append(s.all, scratch...), body...)
	for i := range scratch {
		scratch[i] = 0xee
	}
	return nil
}

func (s *written) TryEnd(scratch, body []byte) (bool, error) {
	return true, s.End(context.Background(), scratch, body)
}

func (s *written) String() string { return string(s.all) }

// serve reads requests as a server does, to the end or the first error, and returns what it read and the error.
func serve(src *pieces, limits Limits) (seen string, err error) {
	var (
		out  strings.Builder
		head RequestHead
		body Body
	)
	for {
		if err := head.Read(context.Background(), src, &limits); err != nil {
			return out.String(), err
		}
		fmt.Fprintf(&out, "%s %s %d %d %q %v %v %v\n", head.Method(), head.Target(), head.Minor, head.Form, head.Authority,
			head.KeepAlive, head.Upgrade, head.Expects)
		writeFields(&out, &head.Fields)
		head.Discard(src)
		body.Reset(src, head.Framing, &limits)
		if err := writeBody(&out, &body, head.Framing); err != nil {
			return out.String(), err
		}
	}
}

func writeFields(out *strings.Builder, f *Fields) {
	for i := range f.Len() {
		fmt.Fprintf(out, "%s (%s): %q\n", f.Name(i), f.Known(i), f.Value(i))
	}
}

// writeBody reads a body alternately through the window and into a slice.
func writeBody(out *strings.Builder, body *Body, framing Framing) error {
	fmt.Fprintf(out, "%+v %q\n", framing, "")
	p := make([]byte, 3)
	for turn := 0; ; turn++ {
		var err error
		if turn%2 == 0 {
			var chunk []byte
			chunk, err = body.Next(context.Background())
			chunk = chunk[:min(len(chunk), 2)]
			out.Write(chunk)
			body.Discard(len(chunk))
		} else {
			var n int
			n, err = body.Read(context.Background(), p)
			out.Write(p[:n])
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	out.WriteString("|\n")
	writeFields(out, body.Trailers())
	return nil
}

// receive reads the final response to a request with the given method, and the informational ones before it.
func receive(src *pieces, limits Limits, method string) (seen string, err error) {
	var (
		out  strings.Builder
		head ResponseHead
		body Body
	)
	for {
		if err := head.Read(context.Background(), src, &limits); err != nil {
			return out.String(), err
		}
		framing, reuse, err := head.Framing(method)
		fmt.Fprintf(&out, "%d %d %q %v %d\n", head.Minor, head.Status, head.Reason(), head.Upgrade, head.DeclaredLength())
		if err != nil {
			return out.String(), err
		}
		writeFields(&out, &head.Fields)
		head.Discard(src)
		fmt.Fprintf(&out, "reuse %v\n", reuse)
		body.Reset(src, framing, &limits)
		if err := writeBody(&out, &body, framing); err != nil {
			return out.String(), err
		}
		if head.Status >= 200 || head.Status == 101 {
			return out.String(), nil
		}
	}
}

// sameAtAnyCut reads an input whole, cut in two at every place, and byte by byte, and returns the common result.
func sameAtAnyCut(t *testing.T, input string, read func(*pieces) (string, error)) (seen string, err error) {
	t.Helper()
	seen, err = read(inPieces(input))
	check := func(src *pieces, how string) {
		again, failure := read(src)
		if again != seen || !errors.Is(failure, err) && failure != err {
			require.Equal(t, fmt.Sprint(seen, err), fmt.Sprint(again, failure), "%s, of %q", how, input)
		}
	}
	step := 1 + len(input)/2048*97 // long inputs test limits
	for at := 1; at < len(input); at += step {
		check(cutAt(input, at), fmt.Sprintf("cut at %d", at))
	}
	for at := max(1, len(input)-8); at < len(input); at++ {
		check(cutAt(input, at), fmt.Sprintf("cut at %d", at))
	}
	if len(input) < 2048 {
		check(byteByByte(input), "byte by byte")
	}
	return seen, err
}

// statusOf returns the status of an *Error, 0 for the end of the stream, and -1 for a stream that ended too early.
func statusOf(t *testing.T, err error) int {
	t.Helper()
	var broken *Error
	switch {
	case errors.As(err, &broken):
		return broken.Status
	case err == io.EOF, err == nil:
		return 0
	}
	require.Equal(t, io.ErrUnexpectedEOF, err)
	return -1
}
