package reports

import (
	"time"

	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
)

// websocketConfig returns a configuration with a close timeout; 0 means the default.
func websocketConfig(closeTimeout time.Duration) *httpc.WebSocketConfig {
	return &httpc.WebSocketConfig{WebSocket: websocket.Config{CloseTimeout: closeTimeout}}
}
