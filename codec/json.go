package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// JSON is a value of T as one JSON text (RFC 8259), as encoding/json reads and writes it. It extends to the end of the
// enclosing frame: put a length or a delimiter around it, or use [JSONLines]. An error names the field and the byte.
// The options are [KnownFieldsOnly] and [NoHTMLEscape].
//
//	Prefixed(Uint16, JSON[[]int]()), []int{1, 2}:
//	| 00 | 05 | 5b | 31 | 2c | 32 | 5d |    [1,2]
func JSON[T any](opts ...JSONOption) Codec[T] {
	c := jsonCodec[T]{}
	for _, opt := range opts {
		opt.applyJSON(&c.jsonOptions)
	}
	return c
}

// JSONLines is one value of T as JSON on a line of its own, as in newline-delimited JSON. Each is sent with LF. When
// decoding, a line may also end in CR LF, and the last one at the end of the stream. It takes the options of [JSON],
// and [Max], 64 KiB by default.
//
//	JSONLines[[]int](), []int{1, 2}:
//	| 5b | 31 | 2c | 32 | 5d | 0a |    [1,2]
func JSONLines[T any](opts ...JSONLinesOption) Codec[T] {
	o := jsonOptions{max: DefaultMaxLine}
	for _, opt := range opts {
		opt.applyJSONLines(&o)
	}
	return Delimited(Codec[T](jsonCodec[T]{o}), "\n", Or("\r\n"), OrEnd(), Max(o.max))
}

type (
	// JSONOption is an option of [JSON] and [JSONLines]: [KnownFieldsOnly] or [NoHTMLEscape].
	JSONOption interface {
		JSONLinesOption
		applyJSON(*jsonOptions)
	}

	// JSONLinesOption is an option of [JSONLines]: those of [JSON], and [Max].
	JSONLinesOption interface{ applyJSONLines(*jsonOptions) }

	jsonOption func(*jsonOptions)
)

func (o jsonOption) applyJSON(to *jsonOptions)      { o(to) }
func (o jsonOption) applyJSONLines(to *jsonOptions) { o(to) }

type jsonOptions struct {
	max   int
	plain bool // no escapes for the sake of HTML
	known bool // fields that T does not have are refused
}

// KnownFieldsOnly makes JSON refuse objects with fields that T does not have.
func KnownFieldsOnly() JSONOption { return jsonOption(func(o *jsonOptions) { o.known = true }) }

// NoHTMLEscape makes JSON write <, > and & as they are.
func NoHTMLEscape() JSONOption { return jsonOption(func(o *jsonOptions) { o.plain = true }) }

type jsonCodec[T any] struct{ jsonOptions }

func (c jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(!c.plain)
	if err := e.Encode(v); err != nil {
		return dst, malformed(err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func (c jsonCodec[T]) Decode(r *Reader) (v T, err error) {
	start := r.Offset()
	p, err := r.lendRest()
	if err != nil {
		return v, err
	}
	if err := c.unmarshal(p, &v); err != nil {
		return v, jsonError(r, start, err)
	}
	return v, nil
}

func (c jsonCodec[T]) unmarshal(p []byte, v *T) error {
	if !c.known || !json.Valid(p) {
		return json.Unmarshal(p, v)
	}
	d := json.NewDecoder(bytes.NewReader(p))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func (jsonCodec[T]) Size() Size { return Size{Min: 1, Max: Unbounded, Open: true} }

// jsonError says where err is.
func jsonError(r *Reader, start int64, err error) error {
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return WrapField(wrongType.Field, r.Fail(start+max(wrongType.Offset-1, 0), malformed(err)))
	}
	wrongText, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return r.Fail(start, malformed(err))
	}
	at := max(wrongText.Offset-1, 0)
	switch text := err.Error(); {
	case text == "unexpected end of JSON input": // as far as it goes, the text may be right
		return r.Fail(start+wrongText.Offset, malformed(err, io.ErrUnexpectedEOF))
	case strings.HasSuffix(text, "after top-level value"):
		return r.Fail(start+at, malformed(err, ErrTrailingData))
	}
	return r.Fail(start+at, malformed(err))
}
