package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/weir-go/weir/codec"
)

// parcel is a value whose bytes the inspector shows.
type parcel struct {
	ID     uint32   `json:"id"`
	Weight uint16   `json:"weight"`
	Name   string   `json:"name"`
	Tags   []string `json:"tags"`
}

var (
	shortText = codec.Prefixed(codec.Uint8, codec.String)
	tagList   = codec.Repeated(codec.Uint8, shortText)
	parcels   = codec.Prefixed(codec.Uint16, codec.Record(
		codec.Field("id", func(p *parcel) *uint32 { return &p.ID }, codec.Uint32),
		codec.Field("weight", func(p *parcel) *uint16 { return &p.Weight }, codec.Uint16),
		codec.Field("name", func(p *parcel) *string { return &p.Name }, shortText),
		codec.Field("tags", func(p *parcel) *[]string { return &p.Tags }, tagList)), codec.Max(1000))
)

// box is some bytes of a frame and their meaning.
type box struct {
	Name  string `json:"name"`
	Bytes string `json:"bytes"` // in hex
}

// boxes splits a frame into named parts.
func boxes(p parcel, frame []byte) (all []box) {
	cut := func(name string, n int) {
		all = append(all, box{name, hex.EncodeToString(frame[:n])})
		frame = frame[n:]
	}
	cut("length", 2)
	cut("id", 4)
	cut("weight", 2)
	cut("length of name", 1)
	cut("name", len(p.Name))
	cut("number of tags", 1)
	for _, tag := range p.Tags {
		cut("length of tag", 1)
		cut("tag", len(tag))
	}
	return all
}

// inspection is the inspector's answer.
type inspection struct {
	Value  *parcel `json:"value,omitempty"`
	Boxes  []box   `json:"boxes,omitempty"`
	Error  string  `json:"error,omitempty"`
	Offset int64   `json:"offset"` // of the invalid byte; -1 if there is none
}

// inspect encodes a value or decodes bytes: a POST of {"value": {...}} or {"hex": "..."}.
func inspect(w http.ResponseWriter, r *http.Request) {
	var question struct {
		Value *parcel `json:"value"`
		Hex   *string `json:"hex"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 8<<10)).Decode(&question); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var found inspection
	switch {
	case question.Value != nil:
		found = encoded(*question.Value)
	case question.Hex != nil:
		found = decoded(*question.Hex)
	}
	writeJSON(w, found)
}

func encoded(p parcel) inspection {
	frame, err := codec.Marshal(parcels, p)
	if err != nil {
		return inspection{Error: err.Error(), Offset: -1}
	}
	return inspection{Value: &p, Boxes: boxes(p, frame), Offset: -1}
}

func decoded(text string) inspection {
	frame, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return inspection{Error: "this is not hex: " + err.Error(), Offset: -1}
	}
	p, err := codec.Unmarshal(parcels, frame)
	if err == nil {
		return inspection{Value: &p, Boxes: boxes(p, frame), Offset: -1}
	}
	found := inspection{Error: err.Error(), Offset: -1}
	if where := new(codec.Error); errors.As(err, &where) {
		found.Offset = where.Offset
	}
	return found
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the browser may be gone
}
