//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

// pace chooses between the call that takes one message, which is cheaper, and the one that takes many. The kernel does
// not say how many there are, so many are tried when single calls find something without waiting, and less and less
// often while that yields only one.
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
