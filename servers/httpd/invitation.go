package httpd

import "sync"

// invitation is whether the client of a request waits for 100 Continue. Reading the body and writing the reply may be the
// work of two goroutines: no 100 is sent once the reply has begun.
type invitation struct {
	mu      sync.Mutex // held while 100 Continue is handed over
	expects bool       // the client waits
	begun   bool       // the reply has begun
}

// waits reports whether the client waits to be told to go on.
func (i *invitation) waits() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.expects
}

// accept calls invite, which sends 100 Continue, if the client waits for that and the reply has not begun.
func (i *invitation) accept(invite func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	expects := i.expects
	i.expects = false
	if expects && !i.begun {
		invite()
	}
}

// answered notes that the handler has sent 100 Continue itself.
func (i *invitation) answered() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.expects = false
}

// replyBegins notes that the reply begins.
func (i *invitation) replyBegins() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.begun = true
}

// set begins with another request.
func (i *invitation) set(expects bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.expects, i.begun = expects, false
}
