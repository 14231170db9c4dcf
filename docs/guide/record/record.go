// Package record is the binary record of the guide.
package record

import "github.com/weir-go/weir/codec"

// Reading is a length, then sensor, value, and a length-prefixed name.
type Reading struct {
	Sensor uint16
	Value  float64
	Name   string
}

var readings = codec.Prefixed(codec.Uint32, codec.Record(
	codec.Field("sensor", func(r *Reading) *uint16 { return &r.Sensor }, codec.Uint16),
	codec.Field("value", func(r *Reading) *float64 { return &r.Value }, codec.Float64),
	codec.Field("name", func(r *Reading) *string { return &r.Name }, codec.Prefixed(codec.Uint8, codec.String)),
), codec.Max(4096))
