package reports

import (
	"time"

	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
)

// websocketConfig has a time for the end; 0 means the default.
func websocketConfig(closeTimeout time.Duration) *httpc.WebSocketConfig {
	return &httpc.WebSocketConfig{WebSocket: websocket.Config{CloseTimeout: closeTimeout}}
}
