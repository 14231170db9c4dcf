// Package queue is the bounded queue between two goroutines that the stages of package pipeline and package bus share.
package queue

import (
	"errors"
	"fmt"
)

// Policy is what a queue does with a value for which it has no room.
type Policy int

// The policies are described in package pipeline.
const (
	Block Policy = iota + 1
	DropOldest
	DropNewest
	Latest
	Fail
	Disconnect
)

var policies = [...]string{"default", "Block", "DropOldest", "DropNewest", "Latest", "Fail", "Disconnect"}

// String returns the name of p.
func (p Policy) String() string {
	if p < 0 || int(p) >= len(policies) {
		return fmt.Sprintf("Policy(%d)", int(p))
	}
	return policies[p]
}

// ErrOverflow is the end of a stream whose queue had no room, under Fail and Disconnect.
var ErrOverflow = errors.New("pipeline: receiver too slow, queue overflow")

// DefaultSize is how many values a queue holds if its Size is 0.
const DefaultSize = 64

// Config has the fields of pipeline.Queue, which describes them.
type Config[T any] struct {
	Size       int
	Policy     Policy
	Metric     func(v T) int
	Mark       func(lost uint64) T
	OnOverflow func()
	Name       string
}

// Default fills in the defaults. It panics with the name of the caller, such as "pipeline: Buffer", if c is invalid.
func (c Config[T]) Default(caller string, policy Policy) *Config[T] {
	if c.Size < 0 {
		panic(fmt.Sprintf("%s: Size is %d, must not be negative", caller, c.Size))
	}
	if c.Policy < 0 || c.Policy > Disconnect {
		panic(fmt.Sprintf("%s: invalid %v", caller, c.Policy))
	}
	if c.Size == 0 {
		c.Size = DefaultSize
	}
	if c.Policy == 0 {
		c.Policy = policy
	}
	if c.Policy == Latest {
		c.Size, c.Metric = 1, nil
	}
	return &c
}

// weigh returns the weight of v.
func (c *Config[T]) weigh(v T) int {
	if c.Metric == nil {
		return 1
	}
	return max(1, c.Metric(v))
}
