package http2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// TestHeadersAreReadAsTheFramerReadsThem compares the two for frames of any flags and lengths.
func TestHeadersAreReadAsTheFramerReadsThem(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		p := make([]byte, random.IntN(16))
		for i := range p {
			p[i] = byte(random.IntN(14))
		}
		flags := frames.Flags(random.IntN(256)) | frames.FlagHeadersEndHeaders
		id := uint32(random.IntN(3))
		if len(p) > 5 && random.IntN(2) == 0 {
			binary.BigEndian.PutUint32(p[random.IntN(2):], id|uint32(random.IntN(2))<<31)
		}
		framer := frames.NewFramer(nil, bytes.NewReader(append(appendFrame(nil, len(p), frames.FrameHeaders, flags, id), p...)))
		f, wrong := framer.ReadFrame()
		fragment, itself, err := fragmentOf(frames.FrameHeader{Type: frames.FrameHeaders, Flags: flags, Length: uint32(len(p)), StreamID: id}, p)
		require.Equal(t, wrong == nil, err == nil, "%x %v: %v, %v", p, flags, wrong, err)
		if err == nil {
			h := f.(*frames.HeadersFrame)
			require.Equal(t, string(h.HeaderBlockFragment()), string(fragment), "%x %v", p, flags)
			require.Equal(t, h.HasPriority() && h.Priority.StreamDep == id, itself, "%x %v", p, flags)
		}
	}
}

// randomRequests returns frames with header blocks in every form, mixed with other frames, some of them invalid.
func randomRequests(random *rand.Rand) (all []byte) {
	r := newRaw(nil, nil)
	id := uint32(1)
	add := func(kind frames.FrameType, flags frames.Flags, id uint32, p []byte) {
		if random.IntN(40) == 0 {
			flags ^= 1 << random.IntN(6)
		}
		if random.IntN(60) == 0 {
			id += uint32(random.IntN(3))
		}
		if random.IntN(80) == 0 {
			kind = frames.FrameType(random.IntN(12))
		}
		all = append(appendFrame(all, len(p), kind, flags, id), p...)
	}
	for range 1 + random.IntN(6) {
		block := slices.Clone(r.encode(request("POST", fmt.Sprintf("/%d", random.IntN(100)), "x-a", strings.Repeat("v", random.IntN(60)))))
		var p []byte
		flags, padding := frames.Flags(0), random.IntN(9)
		if random.IntN(3) == 0 {
			flags, p = flags|frames.FlagHeadersPadded, append(p, byte(padding))
		} else {
			padding = 0
		}
		if random.IntN(3) == 0 {
			flags, p = flags|frames.FlagHeadersPriority, append(binary.BigEndian.AppendUint32(p, id-uint32(min(random.IntN(8), 1))), 7)
		}
		parts := 1 + random.IntN(3)*random.IntN(3)
		cut := len(block) / parts
		p = append(append(p, block[:cut]...), make([]byte, padding)...)
		block = block[cut:]
		if parts == 1 {
			p = append(p[:len(p)-padding], append(block, make([]byte, padding)...)...)
			flags |= frames.FlagHeadersEndHeaders
		}
		add(frames.FrameHeaders, flags, id, p)
		for i := 1; i < parts; i++ {
			n, flags := min(cut, len(block)), frames.Flags(0)
			if i == parts-1 {
				n, flags = len(block), frames.FlagContinuationEndHeaders
			}
			add(frames.FrameContinuation, flags, id, block[:n])
			block = block[n:]
		}
		if random.IntN(2) == 0 {
			add(frames.FrameData, frames.Flags(random.IntN(2)*8), id, []byte{3, 0, 0, 0, 0, 0}[:random.IntN(7)])
		}
		if random.IntN(4) == 0 {
			add(frames.FrameHeaders, frames.FlagHeadersEndHeaders|frames.FlagHeadersEndStream, id, slices.Clone(r.encode([]Field{{Name: "x", Value: "y"}})))
		}
		id += 2
	}
	return all
}

// madeOf returns what a server reads from p if it arrives in pieces of at most most bytes.
func madeOf(t *testing.T, p []byte, most int) (all []string) {
	var mu sync.Mutex
	inRaw(t, &Config{MaxBlocks: 3}, func(x *exchange) {
		body, err := x.readAll()
		trailers := x.Trailers()
		if err != nil { // how much has arrived depends on the time of the read
			body = ""
		}
		mu.Lock()
		all = append(all, fmt.Sprint(x.ID(), x.request.Method, x.request.Path, x.request.Fields, body, codeOf(err), trailers))
		mu.Unlock()
		<-x.gone
	}, func(r *raw) {
		for len(p) > 0 {
			n := min(most, len(p))
			if _, err := r.nc.Write(p[:n]); err != nil {
				break
			}
			p = p[n:]
			synctest.Wait()
		}
		heard := strings.Split(r.heard(), "\n")
		mu.Lock()
		defer mu.Unlock()
		for _, s := range heard {
			if !strings.HasPrefix(s, "WINDOW_UPDATE") {
				all = append(all, s)
			}
		}
	})
	slices.Sort(all)
	return all
}

// TestFramesMeanTheSameHoweverTheyArrive compares header blocks that are parsed in the buffer with those that are
// assembled.
func TestFramesMeanTheSameHoweverTheyArrive(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		p := randomRequests(random)
		want := madeOf(t, p, 1)
		for _, most := range []int{len(p), 1 + random.IntN(100)} {
			require.Equal(t, want, madeOf(t, p, most), "%d %x", most, p)
		}
	}
}
