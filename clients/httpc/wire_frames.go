package httpc

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// maxShown limits the bytes kept of a frame or header block, and the text of a block, which can be much longer. The
// rest is omitted.
const maxShown = 1 << 20

// frameText formats the frames of one direction of HTTP/2: header blocks as fields, with x for the values of secret
// fields, and everything else in hex.
type frameText struct {
	cfg     *Config
	preface int // bytes of the preface still expected

	kept    []byte // the part of the current frame that has arrived
	skip    int    // bytes left to skip of a frame that is too long
	block   []byte // a header block that CONTINUATION frames continue
	decoder *hpack.Decoder
	lost    bool // the decoder has missed a block
}

func newFrameText(cfg *Config, client bool) *frameText {
	f := &frameText{cfg: cfg, decoder: hpack.NewDecoder(4096, nil)}
	f.decoder.SetMaxStringLength(maxShown)
	if client {
		f.preface = len(frames.ClientPreface)
	}
	return f
}

func (f *frameText) text(to []byte, mark string, p []byte) []byte {
	if n := min(f.preface, len(p)); n > 0 {
		to = fmt.Appendf(to, "%spreface, %d bytes\n", mark, n)
		f.preface -= n
		p = p[n:]
	}
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			f.skip -= n
			p = p[n:]
			continue
		}
		const head = 9
		want := head
		if len(f.kept) >= head {
			want += length(f.kept)
		}
		n := min(want-len(f.kept), len(p))
		f.kept = append(f.kept, p[:n]...)
		p = p[n:]
		if len(f.kept) < head {
			break
		}
		switch size := length(f.kept); {
		case size > maxShown:
			to = f.title(to, mark)
			to = append(to, "too long to be shown\n"...)
			f.lost = f.lost || isBlock(f.kept)
			f.skip = size - (len(f.kept) - head)
			f.kept = f.kept[:0]
		case len(f.kept) == head+size:
			to = f.frame(f.title(to, mark), mark, f.kept[head:])
			f.kept = f.kept[:0]
		}
	}
	return to
}

// length returns the length of a frame's payload.
func length(head []byte) int { return int(head[0])<<16 | int(head[1])<<8 | int(head[2]) }

func isBlock(head []byte) bool {
	t := frames.FrameType(head[3])
	return t == frames.FrameHeaders || t == frames.FrameContinuation || t == frames.FramePushPromise
}

// title appends the heading of a frame.
func (f *frameText) title(to []byte, mark string) []byte {
	h := f.kept[:9]
	to = fmt.Appendf(to, "%s%v stream %d, %d bytes", mark, frames.FrameType(h[3]), binary.BigEndian.Uint32(h[5:])&(1<<31-1), length(h))
	if h[4] != 0 {
		to = fmt.Appendf(to, ", flags %#02x", h[4])
	}
	return append(to, '\n')
}

// frame appends the contents of a frame.
func (f *frameText) frame(to []byte, mark string, payload []byte) []byte {
	if !isBlock(f.kept) {
		return append(to, hex.Dump(payload)...)
	}
	flags := frames.Flags(f.kept[4])
	if frames.FrameType(f.kept[3]) != frames.FrameContinuation {
		payload = fragment(frames.FrameType(f.kept[3]), flags, payload)
		f.block = f.block[:0]
	}
	if len(f.block)+len(payload) > maxShown {
		f.lost = true
	} else {
		f.block = append(f.block, payload...)
	}
	if !flags.Has(frames.FlagHeadersEndHeaders) {
		return to
	}
	if f.lost {
		return append(to, "a header block that cannot be shown\n"...)
	}
	start, out := len(to), 0
	f.decoder.SetEmitFunc(func(field hpack.HeaderField) {
		if len(to)-start > maxShown {
			out++
			return
		}
		if !f.cfg.ShowSecrets && f.cfg.isSecret(field.Name) {
			field.Value = "xxxxx"
		}
		to = fmt.Appendf(to, "%s  %q: %q\n", mark, field.Name, field.Value)
	})
	_, err := f.decoder.Write(f.block)
	if err == nil {
		err = f.decoder.Close()
	}
	if err != nil {
		f.lost = true
		return append(to[:start], "a header block that cannot be shown\n"...)
	}
	if out > 0 {
		to = fmt.Appendf(to, "%s  %d fields left out\n", mark, out)
	}
	return to
}

// fragment returns the header block of a frame without padding, priority and promised stream.
func fragment(t frames.FrameType, flags frames.Flags, payload []byte) []byte {
	padding, drop := 0, 0
	if flags.Has(frames.FlagHeadersPadded) && len(payload) > 0 {
		padding, drop = int(payload[0]), 1
	}
	switch {
	case t == frames.FramePushPromise:
		drop += 4
	case flags.Has(frames.FlagHeadersPriority):
		drop += 5
	}
	if drop+padding > len(payload) {
		return nil
	}
	return payload[drop : len(payload)-padding]
}
