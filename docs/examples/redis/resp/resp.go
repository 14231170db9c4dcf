// Package resp is a codec for the Redis protocol, RESP2 and RESP3.
package resp

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/weir-go/weir/codec"
)

// Kind is the first byte of a value.
type Kind byte

// The kinds of RESP2 and RESP3.
const (
	Simple   Kind = '+' // a line of text
	Failure  Kind = '-' // an error, as a line
	Integer  Kind = ':' // 64 bits
	Bulk     Kind = '$' // any bytes, or null
	Array    Kind = '*' // values, or null
	Null     Kind = '_' // RESP3 from here on
	Double   Kind = ','
	Boolean  Kind = '#'
	BigInt   Kind = '('
	BulkFail Kind = '!'
	Verbatim Kind = '='
	Map      Kind = '%' // alternating keys and values
	Set      Kind = '~'
	Push     Kind = '>' // not a reply, such as a message of a subscription
)

// Value is a message in either direction.
type Value struct {
	Kind  Kind
	Text  string  // of Simple, Failure, Bulk, BulkFail, Verbatim (its first four characters are the format), BigInt
	Int   int64   // of Integer, and of Boolean: 0 or 1
	Float float64 // of Double
	Nil   bool    // a Bulk or Array of RESP2 that is null
	Elems []Value // of Array, Map, Set, Push
}

// Command returns an array of bulk strings, the form of every client command.
func Command(words ...string) Value {
	v := Value{Kind: Array, Elems: make([]Value, len(words))}
	for i, w := range words {
		v.Elems[i] = Value{Kind: Bulk, Text: w}
	}
	return v
}

// Err returns v as an error if it is one, or nil.
func (v Value) Err() error {
	if v.Kind == Failure || v.Kind == BulkFail {
		return fmt.Errorf("redis: %s", v.Text)
	}
	return nil
}

// Limits in both directions.
const (
	MaxLine = 64 << 10
	MaxBulk = 16 << 20
	MaxElem = 1 << 20
)

// Codec is the protocol. A bulk string and an array of two:
//
//	+----+----+----+----+----+----+----+----+----+
//	| 24 | 33 | 0d | 0a | 66 | 6f | 6f | 0d | 0a |   $3 foo
//	+----+----+----+----+----+----+----+----+----+
//
//	+----+----+----+----+----+----+----+----+----+----+----+----+
//	| 2a | 32 | 0d | 0a | 3a | 31 | 0d | 0a | 5f | 0d | 0a |        *2 :1 _
//	+----+----+----+----+----+----+----+----+----+----+----+----+
var Codec codec.Codec[Value] = protocol{}

type protocol struct{}

// Append encodes values nested up to codec.MaxDepth.
func (protocol) Append(dst []byte, v Value) ([]byte, error) { return appendValue(dst, v, 0) }

func appendValue(dst []byte, v Value, depth int) ([]byte, error) {
	if depth >= codec.MaxDepth {
		return dst, codec.ErrTooDeep
	}
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case Simple, Failure:
		return appendLine(dst, v.Text)
	case BigInt:
		if !isInteger(v.Text) {
			return dst, fmt.Errorf("%w: %q is not a big number", codec.ErrMalformed, v.Text)
		}
		return appendLine(dst, v.Text)
	case Integer:
		return append(strconv.AppendInt(dst, v.Int, 10), "\r\n"...), nil
	case Double:
		return append(appendDouble(dst, v.Float), "\r\n"...), nil
	case Boolean:
		return append(dst, "ft"[v.Int&1], '\r', '\n'), nil
	case Null:
		return append(dst, "\r\n"...), nil
	case Bulk, BulkFail, Verbatim:
		return appendBulk(dst, v)
	case Array, Map, Set, Push:
		return appendAll(dst, v, depth)
	}
	return dst, fmt.Errorf("%w: no kind %q", codec.ErrMismatch, byte(v.Kind))
}

func appendLine(dst []byte, text string) ([]byte, error) {
	for i := range len(text) {
		if text[i] == '\r' || text[i] == '\n' {
			return dst, fmt.Errorf("%w: a line that contains its end", codec.ErrMalformed)
		}
	}
	if len(text) > MaxLine {
		return dst, fmt.Errorf("%w: a line of %d bytes", codec.ErrTooLarge, len(text))
	}
	return append(append(dst, text...), "\r\n"...), nil
}

func appendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

func appendBulk(dst []byte, v Value) ([]byte, error) {
	if v.Nil && v.Kind == Bulk {
		return append(dst, "-1\r\n"...), nil
	}
	if len(v.Text) > MaxBulk {
		return dst, fmt.Errorf("%w: a string of %d bytes", codec.ErrTooLarge, len(v.Text))
	}
	dst = append(strconv.AppendInt(dst, int64(len(v.Text)), 10), "\r\n"...)
	return append(append(dst, v.Text...), "\r\n"...), nil
}

func appendAll(dst []byte, v Value, depth int) (_ []byte, err error) {
	if v.Nil && v.Kind == Array {
		return append(dst, "-1\r\n"...), nil
	}
	n := len(v.Elems)
	if n > MaxElem {
		return dst, fmt.Errorf("%w: %d values", codec.ErrTooLarge, n)
	}
	if v.Kind == Map {
		if n%2 != 0 {
			return dst, fmt.Errorf("%w: a key without a value", codec.ErrMalformed)
		}
		n /= 2
	}
	dst = append(strconv.AppendInt(dst, int64(n), 10), "\r\n"...)
	for i := range v.Elems {
		if dst, err = appendValue(dst, v.Elems[i], depth+1); err != nil {
			return dst, codec.WrapField("["+strconv.Itoa(i)+"]", err)
		}
	}
	return dst, nil
}

// Decode reads one value.
func (protocol) Decode(r *codec.Reader) (v Value, err error) {
	start := r.Offset()
	first, err := r.Next(1)
	if err != nil {
		return v, err
	}
	v.Kind = Kind(first[0])
	line, err := readLine(r)
	if err != nil {
		return v, err
	}
	switch v.Kind {
	case Simple, Failure, BigInt:
		v.Text = string(line)
		if v.Kind == BigInt && !isInteger(v.Text) {
			err = malformed(line)
		}
	case Integer:
		v.Int, err = parseInt(line)
	case Double:
		v.Float, err = parseDouble(line)
	case Boolean:
		v.Int, err = parseBool(line)
	case Null:
		if len(line) > 0 {
			err = malformed(line)
		}
	case Bulk, BulkFail, Verbatim:
		return readBulk(r, v, line, start)
	case Array, Map, Set, Push:
		return readAll(r, v, line, start)
	default:
		err = fmt.Errorf("%w: no kind %q", codec.ErrMismatch, byte(v.Kind))
	}
	if err != nil {
		return v, r.Fail(start, err)
	}
	return v, nil
}

// readLine returns a line without its end, valid until the next read.
func readLine(r *codec.Reader) ([]byte, error) {
	start := r.Offset()
	line, err := r.ReadUntil('\n', MaxLine+1)
	if err != nil {
		return nil, err
	}
	n := len(line) - 2
	if n < 0 || bytes.IndexByte(line, '\r') != n {
		return nil, r.Fail(start, fmt.Errorf("%w: a line must have one CR, before its LF", codec.ErrMalformed))
	}
	return line[:n], nil
}

func readBulk(r *codec.Reader, v Value, line []byte, start int64) (Value, error) {
	n, err := parseInt(line)
	switch {
	case err != nil:
	case n == -1 && v.Kind == Bulk:
		v.Nil = true
		return v, nil
	case n < 0:
		err = malformed(line)
	case n > MaxBulk:
		err = fmt.Errorf("%w: a string of %d bytes, where %d are the limit", codec.ErrTooLarge, n, MaxBulk)
	}
	if err != nil {
		return v, r.Fail(start, err)
	}
	if v.Text, err = r.Text(int(n)); err != nil {
		return v, err
	}
	end, err := r.Next(2)
	if err == nil && string(end) != "\r\n" {
		err = r.Fail(r.Offset()-2, fmt.Errorf("%w: %q, where CR LF must be", codec.ErrMismatch, end))
	}
	return v, err
}

func readAll(r *codec.Reader, v Value, line []byte, start int64) (Value, error) {
	n, err := parseInt(line)
	switch {
	case err != nil:
	case n == -1 && v.Kind == Array:
		v.Nil = true
		return v, nil
	case n < 0:
		err = malformed(line)
	case v.Kind == Map && n <= MaxElem:
		n *= 2
	}
	if err == nil && n > MaxElem {
		err = fmt.Errorf("%w: %d values, where %d are the limit", codec.ErrTooLarge, n, MaxElem)
	}
	if err != nil {
		return v, r.Fail(start, err)
	}
	if err := r.Enter(); err != nil {
		return v, err
	}
	defer r.Leave()
	v.Elems = make([]Value, 0, min(n, 16))
	for i := range int(n) {
		elem, err := Codec.Decode(r)
		if err != nil {
			return v, r.WrapField("["+strconv.Itoa(i)+"]", err)
		}
		v.Elems = append(v.Elems, elem)
	}
	return v, nil
}

func malformed(line []byte) error { return fmt.Errorf("%w: %q", codec.ErrMalformed, line) }

func parseInt(line []byte) (int64, error) {
	n, err := strconv.ParseInt(string(line), 10, 64)
	if err != nil {
		return 0, malformed(line)
	}
	return n, nil
}

func parseDouble(line []byte) (float64, error) {
	f, err := strconv.ParseFloat(string(line), 64)
	if err != nil {
		return 0, malformed(line)
	}
	return f, nil
}

func parseBool(line []byte) (int64, error) {
	switch string(line) {
	case "t":
		return 1, nil
	case "f":
		return 0, nil
	}
	return 0, malformed(line)
}

func isInteger(text string) bool {
	_, ok := new(big.Int).SetString(text, 10)
	return ok
}
