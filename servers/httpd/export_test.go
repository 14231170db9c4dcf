package httpd

// RaceEnabled reports to the tests in package httpd_test whether the race detector is on.
const RaceEnabled = raceEnabled

// idleWebSocket and IdleWebSocketOfConnect limit the bytes of heap of an idle WebSocket: with a handler that receives and
// sends, and with one that calls Connect. They hold 3,750 to 4,200 and 4,600 to 5,300. Both wait on a stack of 4 KiB.
// IdleStack also has room for the stacks of ended goroutines that the runtime keeps, which are many on a busy machine.
const (
	idleWebSocket          = 4<<10 + 512
	IdleWebSocket          = idleWebSocket
	IdleWebSocketOfConnect = 5<<10 + 512
	IdleStack              = 6 << 10
)
