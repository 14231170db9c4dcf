package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/docs/examples/internal/peertest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestAgainstTheRealBroker(t *testing.T) {
	broker, config := peertest.Program(t, "mosquitto", "mosquitto"), filepath.Join(t.TempDir(), "mosquitto.conf")
	addr := peertest.Start(t, "/bin/sh", " running", "-c",
		fmt.Sprintf(`printf 'listener PORT 127.0.0.1\nallow_anonymous true\n' >%s && exec %s -c %s`, config, broker, config))
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), addr, &out))
	require.ElementsMatch(t, []string{
		"weir/once with QoS 0: hello [{3 text/plain} {38 {from weir}}]", "weir/sure with QoS 1: again []", "",
	}, strings.Split(out.String(), "\n"))
}

func TestPacketsHaveTheirBytes(t *testing.T) {
	ok, none := Reason(0), []Property{}
	for hex, p := range map[string]Packet{
		"30 06 0001 61 00 6869":                         {Header{Kind: kindPublish}, Publish{Topic: "a", Properties: none, Payload: []byte("hi")}},
		"3d 0a 0001 61 0007 02 0101 6869":               {Header{kindPublish, true, 2, true}, Publish{"a", 7, []Property{{First: 1, Second: uint8(1)}}, []byte("hi")}},
		"10 10 0004 4d515454 05 02 003c 00 0003 616263": {Header{Kind: kindConnect}, Connect{Flags: Flags{CleanStart: true}, KeepAlive: 60, Properties: none, Client: "abc"}},
		"10 14 0004 4d515454 05 c0 0000 00 0001 61 0001 62 0001 63": {Header{Kind: kindConnect}, Connect{Flags: Flags{User: true, Password: true},
			Properties: none, Client: "a", User: "b", Password: []byte("c")}},
		"20 0b 01 80 08 11 00000001 21 0002":  {Header{Kind: kindConnack}, Connack{true, 0x80, []Property{{First: 0x11, Second: uint32(1)}, {First: 0x21, Second: uint16(2)}}}},
		"40 02 0001":                          {Header{Kind: kindPuback}, Puback{ID: 1}},
		"40 03 0001 00":                       {Header{Kind: kindPuback}, Puback{1, Outcome{Reason: &ok}}},
		"40 04 0001 00 00":                    {Header{Kind: kindPuback}, Puback{1, Outcome{&ok, &none}}},
		"82 09 0001 02 0b05 0001 61 01":       {Header{Kind: kindSubscribe, QoS: 1}, Subscribe{1, []Property{{First: 0x0b, Second: uint32(5)}}, []codec.Pair[string, uint8]{{First: "a", Second: 1}}}},
		"90 0b 0001 07 26 0001 61 0001 62 8f": {Header{Kind: kindSuback}, Suback{1, []Property{{First: userProperty, Second: pair("a", "b")}}, []Reason{0x8f}}},
		"c0 00":                               {Header{Kind: kindPingreq}, struct{}{}},
		"d0 00":                               {Header{Kind: kindPingresp}, struct{}{}},
		"e0 00":                               {Header{Kind: kindDisconnect}, Outcome{}},
	} {
		codectest.Vector(t, packet, hex, p)
	}
}

func TestWhatIsNoPacket(t *testing.T) {
	codectest.Rejects(t, packet, "f0 00", codec.ErrMismatch, 1)
	codectest.Rejects(t, packet, "30 06 0002 61 00 6869", io.ErrUnexpectedEOF, 7)
	codectest.Rejects(t, packet, "e0 03 00 01 7f", codec.ErrMismatch, 5)
	codectest.Refuses(t, packet, Packet{Header{Kind: kindPublish}, Publish{ID: 1}}, codec.ErrMalformed)
	codectest.Refuses(t, packet, Packet{Header{Kind: kindPublish}, Puback{}}, codec.ErrMismatch)
	codectest.Refuses(t, packet, Packet{Header{Kind: kindConnect}, Connect{User: "a"}}, codec.ErrMalformed)
	codectest.Refuses(t, packet, Packet{Header{Kind: kindSuback}, Suback{Properties: []Property{{First: 1, Second: "text"}}}}, codec.ErrMismatch)
}

func FuzzPacket(f *testing.F) {
	codectest.Fuzz(f, packet, Packet{Header{Kind: kindPublish}, Publish{Topic: "a", Properties: []Property{{First: 1, Second: uint8(1)}}, Payload: []byte("hi")}})
}
