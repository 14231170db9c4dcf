package httpd

// RaceEnabled reports to the tests in package httpd_test whether the race detector is on.
const RaceEnabled = raceEnabled

// idleWebSocket and IdleWebSocketOfConnect limit the bytes of heap and stack of an idle WebSocket, including those of
// its goroutine: with a handler that receives and sends, and with one that calls Connect, which needs a stack of 8 KiB.
const (
	idleWebSocket          = 9<<10 + 512
	IdleWebSocket          = idleWebSocket
	IdleWebSocketOfConnect = 14<<10 + 512
)
