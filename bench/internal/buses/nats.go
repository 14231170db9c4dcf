package buses

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// natsWindow is how many values a subscriber may be behind. NATS drops values that a slow subscriber has no room for.
// No value may be lost here, so the publisher waits now and then.
const natsWindow = 1024

// inNATS does the same with a NATS server in this process: every value crosses a net.Pipe to the server, and comes back
// over it once for each subscription.
func inNATS(n int) {
	srv := must(server.NewServer(&server.Options{DontListen: true, NoLog: true, NoSigs: true}))
	go srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(10 * time.Second) {
		panic("buses: the NATS server does not start")
	}
	conn := must(nats.Connect("", nats.InProcessServer(srv)))
	defer conn.Close()

	caughtUp := make(chan struct{}, Subscribers)
	var group sync.WaitGroup
	for range Subscribers {
		group.Add(1)
		sub := must(conn.Subscribe(topic, natsSubscriber(n, caughtUp, group.Done)))
		must(0, sub.SetPendingLimits(-1, -1))
	}
	must(0, conn.Flush())
	for i := range n {
		if i > 0 && i%natsWindow == 0 {
			must(0, conn.Flush())
			for range Subscribers {
				<-caughtUp
			}
		}
		must(0, conn.Publish(topic, binary.LittleEndian.AppendUint64(nil, uint64(i))))
	}
	must(0, conn.Flush())
	group.Wait()
}

// natsSubscriber returns the function that receives the values. It reports when a window of them has arrived, and when
// all have.
func natsSubscriber(n int, caughtUp chan<- struct{}, done func()) nats.MsgHandler {
	sum, got := 0, 0
	return func(m *nats.Msg) {
		sum += int(binary.LittleEndian.Uint64(m.Data))
		if got++; got == n {
			check(n, sum)
			done()
		} else if got%natsWindow == 0 {
			caughtUp <- struct{}{}
		}
	}
}
