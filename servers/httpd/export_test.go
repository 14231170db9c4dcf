package httpd

// RaceEnabled reports to the tests in package httpd_test whether the race detector is on.
const RaceEnabled = raceEnabled

// idleWebSocket and IdleWebSocketOfConnect limit the bytes of heap and stack of an idle WebSocket, including those of
// its goroutine: with a handler that receives and sends, and with one that calls Connect. They hold 7,700 to 8,250 and
// 8,550 to 8,850. Both wait on a stack of 4 KiB; runs differ by the stacks of ended goroutines that the runtime keeps.
const (
	idleWebSocket          = 8<<10 + 512
	IdleWebSocket          = idleWebSocket
	IdleWebSocketOfConnect = 9<<10 + 128
)
