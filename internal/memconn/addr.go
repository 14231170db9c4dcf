package memconn

// Addr names one end of an in-memory connection, or a [Listener]. It is
// comparable and has no structure beyond its name.
type Addr struct {
	Name string
}

// Network returns "mem".
func (Addr) Network() string { return "mem" }

// String returns the name.
func (a Addr) String() string { return a.Name }
