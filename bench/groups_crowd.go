package main

import (
	"fmt"

	"github.com/weir-go/weir/bench/internal/buses"
	"github.com/weir-go/weir/bench/internal/suite"
)

// crowdGroups measures buses with many subscriptions.
func crowdGroups() []suite.Group {
	const size = 100_000
	note := fmt.Sprintf("%d subscriptions with queues of 64, from which nobody receives.", size)
	return []suite.Group{
		{
			Name: "bus-crowd", Title: "a value to each of very many subscribers", Unit: "ns/subscriber", LessIsMore: true,
			Rounds: 3, NotQuick: true, Contenders: buses.Crowds(size), Note: note,
		},
		{
			Name: "bus-memory", Title: "an idle subscription", Unit: "bytes", LessIsMore: true,
			Rounds: 1, NotQuick: true, Contenders: buses.CrowdMemory(size), Note: note,
		},
	}
}
