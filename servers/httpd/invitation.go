package httpd

import "sync"

// invitation records whether the client of a request waits for 100 Continue. The body may be read and the reply written
// by two goroutines. Once the reply has started, no 100 is sent.
type invitation struct {
	mu      sync.Mutex // held while 100 Continue is written
	expects bool       // the client waits
	begun   bool       // the reply has started
}

// waits reports whether the client waits for 100 Continue.
func (i *invitation) waits() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.expects
}

// accept calls invite, which sends 100 Continue, if the client waits for it and the reply has not started.
func (i *invitation) accept(invite func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.expects && !i.begun {
		i.expects = false
		invite()
	}
}

// answered records that the handler has sent 100 Continue.
func (i *invitation) answered() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.expects = false
}

// replyBegins records the start of the reply.
func (i *invitation) replyBegins() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.begun = true
}

// set prepares i for another request.
func (i *invitation) set(expects bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.expects, i.begun = expects, false
}
