package load

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Compressed messages are one text again and again, each compressed separately (RFC 7692). The generator learns the
// form of the reply from the first one, which must contain the text of the request. The others must be the same byte
// for byte, because a compressor without context always has the same output.

// minText is the smallest size of a JSON text.
const minText = 64

// newCompressed returns the messages of one connection that are compressed.
func newCompressed(spec Spec) *messages {
	text := jsonText(spec.Size)
	payload := deflated(text)
	head := frameHead(len(payload))
	head[0] = 0xC1 // FIN, RSV1, text
	m := &messages{text: text}
	m.mask(spec, head, payload)
	return m
}

// jsonText returns a JSON text of the given size: an array of records.
func jsonText(size int) []byte {
	text := []byte(`[{"kind":"list"}`)
	for i := 0; ; i++ {
		one := fmt.Appendf(nil, `,{"id":%d,"name":"user-%d","email":"u%d@example.org","active":%v,"score":%d.%d}`,
			1000+i*37, i*i*13+7, i*7919, i%3 == 0, i*131%997, i*17%10)
		if len(text)+len(one)+len(`,""]`) > size {
			break
		}
		text = append(text, one...)
	}
	text = append(text, `,"`...)
	text = append(text, bytes.Repeat([]byte("x"), size-len(text)-len(`"]`))...)
	return append(text, `"]`...)
}

func deflated(text []byte) []byte {
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestSpeed)
	if err == nil {
		_, _ = z.Write(text) // a Buffer does not fail
		_ = z.Flush()
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// readCompressed returns the payload of the first reply.
func (m *messages) readCompressed(in *bufio.Reader) ([]byte, error) {
	head := make([]byte, 2, 10)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, err
	}
	length := int(head[1])
	if more := map[byte]int{126: 2, 127: 8}[head[1]]; more > 0 {
		head = head[:2+more]
		if _, err := io.ReadFull(in, head[2:]); err != nil {
			return nil, err
		}
		length = int(binary.BigEndian.Uint64(append(make([]byte, 8-more), head[2:]...)))
	}
	if head[0]&^0x40 != 0x81 || head[1] > 127 || length > len(m.text)+64 {
		return nil, fmt.Errorf("the reply begins with % x", head)
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(in, payload); err != nil {
		return nil, err
	}
	text := payload
	if head[0]&0x40 != 0 {
		var err error
		if text, err = io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), endOfDeflate()))); err != nil {
			return nil, err
		}
	}
	if !bytes.Equal(text, m.text) {
		return nil, errors.New("the reply's text differs from the request's")
	}
	m.frame, m.filler = head, len(head)
	return payload, nil
}

// endOfDeflate is the tail that a message omits, and a last block.
func endOfDeflate() io.Reader { return bytes.NewReader([]byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff")) }
