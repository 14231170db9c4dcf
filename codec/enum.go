package codec

import "maps"

// Enum is one of a few values of T, each with its own number on the wire. Other values and numbers are rejected.
//
//	Enum(Uint8, map[string]uint8{"low": 1, "high": 9}), "high":
//	| 09 |
func Enum[N Integer, T comparable](number Codec[N], numbers map[T]N) Codec[T] {
	notNil(number, "Enum")
	refuse(len(numbers) == 0, "Enum: at least one value is needed")
	values := make(map[N]T, len(numbers))
	for v, n := range numbers {
		other, twice := values[n]
		refuse(twice, "Enum: %v and %v have the same number, %d", v, other, n)
		_, err := number.Append(nil, n)
		refuse(err != nil, "Enum: %v: %v", v, err)
		values[n] = v
	}
	numbers = maps.Clone(numbers)
	return Map(number,
		func(n N) (T, error) {
			if v, ok := values[n]; ok {
				return v, nil
			}
			return *new(T), because(ErrMismatch, "unknown enum value %d", n)
		},
		func(v T) (N, error) {
			if n, ok := numbers[v]; ok {
				return n, nil
			}
			return 0, because(ErrMismatch, "%v is not a value of the enum", v)
		})
}
