package main

import (
	"context"
	"errors"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
)

// rooms holds chat rooms. Members are WebSockets whose first two messages are room and name.
type rooms struct {
	messages *bus.Bus[string, websocket.Message]
}

func newRooms() *rooms { return &rooms{bus.New[string, websocket.Message]()} }

// visit serves one member.
func (r *rooms) visit(ctx context.Context, conn *websocket.Conn) error {
	texts := websocket.Texts(conn)
	room, err := texts.In.Recv(ctx)
	if err != nil {
		return err
	}
	name, err := texts.In.Recv(ctx)
	if err != nil {
		return err
	}
	if room == "" || name == "" || len(room) > 80 || len(name) > 80 {
		return &websocket.CloseError{Code: websocket.PolicyViolation, Reason: "room and name have 1 to 80 bytes"}
	}
	heard, err := r.messages.Subscribe(ctx, room, &pipeline.Queue[websocket.Message]{Size: 100, Policy: pipeline.DropOldest})
	if err != nil {
		return err
	}
	defer heard.Close()
	return chanio.Race(ctx,
		func(ctx context.Context) error {
			return pipeline.ConnectWith(ctx, heard, conn.Out, &pipeline.ConnectConfig{KeepSink: true})
		},
		func(ctx context.Context) error {
			if err := r.tell(ctx, room, name+" is here"); err != nil {
				return err
			}
			err := pipeline.ForEach(ctx, texts.In, func(text string) error { return r.tell(ctx, room, name+": "+text) })
			return errors.Join(err, r.tell(context.WithoutCancel(ctx), room, name+" has left"))
		})
}

// tell sends a text, encoded once, to all members of a room.
func (r *rooms) tell(ctx context.Context, room, text string) error {
	m, err := websocket.Prepare(websocket.Text(text))
	if err != nil {
		return err
	}
	_, err = r.messages.Publish(ctx, room, m)
	return err
}
