package codec

import "fmt"

// Enum is one of a few values of T, each a number of its own on the wire. Any other is refused, in both directions.
//
//	Enum(Uint8, map[string]uint8{"low": 1, "high": 9}), "high":
//	+----+
//	| 09 |
//	+----+
func Enum[N Integer, T comparable](number Codec[N], numbers map[T]N) Codec[T] {
	notNil(number, "Enum")
	if len(numbers) == 0 {
		panic("codec: Enum: at least one value is needed")
	}
	e := enum[N, T]{number, make(map[T]N, len(numbers)), make(map[N]T, len(numbers))}
	for v, n := range numbers {
		if other, twice := e.values[n]; twice {
			panic(fmt.Sprintf("codec: Enum: %v and %v have the same number, %d", v, other, n))
		}
		if _, err := number.Append(nil, n); err != nil {
			panic(fmt.Sprintf("codec: Enum: %v: %v", v, err))
		}
		e.numbers[v], e.values[n] = n, v
	}
	return e
}

// EnumOf is [Enum] with the values numbered in order from 0.
//
//	EnumOf(Uint8, "red", "green", "blue"), "blue":
//	+----+
//	| 02 |
//	+----+
func EnumOf[N Integer, T comparable](number Codec[N], values ...T) Codec[T] {
	numbers := make(map[T]N, len(values))
	for i, v := range values {
		if _, twice := numbers[v]; twice {
			panic(fmt.Sprintf("codec: EnumOf: %v is there twice", v))
		}
		if int64(N(i)) != int64(i) {
			panic(fmt.Sprintf("codec: EnumOf: %v, the value number %d, cannot be expressed", v, i))
		}
		numbers[v] = N(i)
	}
	return Enum(number, numbers)
}

type enum[N Integer, T comparable] struct {
	number  Codec[N]
	numbers map[T]N
	values  map[N]T
}

func (e enum[N, T]) Append(dst []byte, v T) ([]byte, error) {
	n, ok := e.numbers[v]
	if !ok {
		return dst, because(ErrMismatch, "%v is not a value of the enum", v)
	}
	return e.number.Append(dst, n)
}

func (e enum[N, T]) Decode(r *Reader) (v T, err error) {
	start := r.Offset()
	n, err := e.number.Decode(r)
	if err != nil {
		return v, err
	}
	v, ok := e.values[n]
	if !ok {
		return v, r.Fail(start, because(ErrMismatch, "unknown enum value %d", n))
	}
	return v, nil
}

func (e enum[N, T]) Size() Size { return SizeOf(e.number) }
