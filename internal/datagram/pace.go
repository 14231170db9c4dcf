//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

// pace chooses between the call that receives one message, which is cheaper, and the one that receives many. The kernel
// does not report how many there are. So the call for many is tried when single calls find a message without waiting,
// and less often while it yields only one.
type pace struct {
	many   bool // make the call for many
	found  int  // single calls in a row that found something at once
	enough int  // how many of them before the call for many is tried
}

const enoughMax = 32

func (p *pace) tookOne(waited bool) {
	if p.found++; waited {
		p.found = 0
	}
	p.many = p.found > p.enough
}

func (p *pace) took(n int) {
	if n > 1 {
		p.enough = 0
		return
	}
	*p = pace{enough: min(2*p.enough+1, enoughMax)}
}
