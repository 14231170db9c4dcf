package httpload

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// answerHTTP2 answers each request of a connection with the same head and body. It does not decode header blocks and
// has no state of streams. A body is only a few bytes, so it does not respect the client's windows. Requests that
// arrived together are answered together.
func answerHTTP2(nc net.Conn, body []byte) {
	in, out := bufio.NewReaderSize(nc, 64<<10), bufio.NewWriterSize(nc, 64<<10)
	fr := http2.NewFramer(out, nil)
	head := headOf(len(body))
	if _, err := in.Discard(len(http2.ClientPreface)); err != nil {
		return
	}
	err := fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2 * InFlight})
	for err == nil {
		if in.Buffered() == 0 {
			if err = out.Flush(); err != nil {
				return
			}
		}
		err = answerFrame(in, fr, head, body)
	}
}

// answerFrame reads a frame, and answers it if it is a whole request. It does not use Framer.ReadFrame, which
// allocates.
func answerFrame(in *bufio.Reader, fr *http2.Framer, head, body []byte) error {
	const header = 9
	p, err := in.Peek(header)
	if err != nil {
		return err
	}
	length, kind, flags, id := int(binary.BigEndian.Uint32(p)>>8), http2.FrameType(p[3]), http2.Flags(p[4]), binary.BigEndian.Uint32(p[5:])
	if p, err = in.Peek(header + length); err != nil {
		return err
	}
	switch payload := p[header:]; {
	case kind == http2.FrameHeaders && !flags.Has(http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream):
		return errNotSmall
	case kind == http2.FrameHeaders:
		err = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head, EndHeaders: true})
		if err == nil {
			err = fr.WriteData(id, true, body)
		}
	case kind == http2.FrameSettings && !flags.Has(http2.FlagSettingsAck):
		err = fr.WriteSettingsAck()
	case kind == http2.FramePing && !flags.Has(http2.FlagPingAck) && length == 8:
		err = fr.WritePing(true, [8]byte(payload))
	}
	_, skipped := in.Discard(header + length)
	return errors.Join(err, skipped)
}

var errNotSmall = errors.New("httpload: only requests of one frame are answered")

// headOf returns the header block of a response, which does not depend on a dynamic table.
func headOf(length int) []byte {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.SetMaxDynamicTableSizeLimit(0)
	_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"}) // a bytes.Buffer does not fail
	_ = enc.WriteField(hpack.HeaderField{Name: "content-length", Value: strconv.Itoa(length)})
	return block.Bytes()
}
