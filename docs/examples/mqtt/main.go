// Mqtt is a client of a real MQTT 5.0 broker. It connects, subscribes, publishes with QoS 0 and 1, acknowledges
// messages of QoS 1, and pings. Its codec is in protocol.go.
//
//	mosquitto -p 1883 &
//	go run ./docs/examples/mqtt -addr localhost:1883
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

func main() {
	addr := flag.String("addr", "localhost:1883", "`host:port` of a broker")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs the example.
func run(ctx context.Context, addr string, out io.Writer) error {
	d, err := connect(ctx, addr)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := subscribe(ctx, d, "weir/#", 1); err != nil {
		return err
	}
	note := []Property{{First: contentType, Second: "text/plain"}, {First: userProperty, Second: pair("from", "weir")}}
	for _, p := range []Packet{
		{Header{Kind: kindPublish}, Publish{Topic: "weir/once", Properties: note, Payload: []byte("hello")}},
		{Header{Kind: kindPublish, QoS: 1}, Publish{Topic: "weir/sure", ID: 2, Payload: []byte("again")}},
		{Header{Kind: kindPingreq}, struct{}{}},
	} {
		if err := d.Out.Send(ctx, p); err != nil {
			return err
		}
	}
	if err := receive(ctx, d, out); err != nil {
		return err
	}
	return d.Out.Send(ctx, Packet{Header{Kind: kindDisconnect}, Outcome{}})
}

func pair(name, value string) codec.Pair[string, string] {
	return codec.Pair[string, string]{First: name, Second: value}
}

// connect opens a session.
func connect(ctx context.Context, addr string) (*chanio.Duplex[Packet, Packet], error) {
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return nil, err
	}
	d := codec.Frame(conn, packet)
	hello := Connect{Flags: Flags{CleanStart: true}, KeepAlive: 60, Client: "weir-example"}
	answer, err := call[Connack](ctx, d, Packet{Header{Kind: kindConnect}, hello})
	if err == nil && answer.Reason >= 128 {
		err = fmt.Errorf("connection refused with reason %#02x", answer.Reason)
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// call sends a packet and waits for its answer. Nothing else may arrive before that.
func call[T any](ctx context.Context, d *chanio.Duplex[Packet, Packet], p Packet) (answer T, err error) {
	if err := d.Out.Send(ctx, p); err != nil {
		return answer, err
	}
	got, err := d.In.Recv(ctx)
	if err != nil {
		return answer, err
	}
	answer, ok := got.Body.(T)
	if !ok {
		return answer, fmt.Errorf("the broker answers with %+v", got)
	}
	return answer, nil
}

func subscribe(ctx context.Context, d *chanio.Duplex[Packet, Packet], filter string, qos uint8) error {
	ask := Subscribe{ID: 1, Filters: []codec.Pair[string, uint8]{{First: filter, Second: qos}}}
	answer, err := call[Suback](ctx, d, Packet{Header{Kind: kindSubscribe, QoS: 1}, ask})
	if err == nil && (len(answer.Reasons) != 1 || answer.Reasons[0] >= 128) {
		err = fmt.Errorf("subscription refused: %+v", answer)
	}
	return err
}

// receive prints and acknowledges messages until the ping and the published messages are answered.
func receive(ctx context.Context, d *chanio.Duplex[Packet, Packet], out io.Writer) error {
	for messages, pong, acked := 0, false, false; messages < 2 || !pong || !acked; {
		p, err := d.In.Recv(ctx)
		if err != nil {
			return err
		}
		switch body := p.Body.(type) {
		case Publish:
			messages++
			fmt.Fprintf(out, "%s with QoS %d: %s %v\n", body.Topic, p.QoS, body.Payload, body.Properties)
			if p.QoS == 1 {
				if err := d.Out.Send(ctx, Packet{Header{Kind: kindPuback}, Puback{ID: body.ID}}); err != nil {
					return err
				}
			}
		case Puback:
			acked = true
		default:
			pong = pong || p.Kind == kindPingresp
		}
	}
	return nil
}
