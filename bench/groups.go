package main

import (
	"strings"

	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/suite"
)

// groups returns all comparisons and their thresholds. full adds those that take long.
func groups(f *suite.Field, full bool) []suite.Group {
	all := []suite.Group{
		stageGroup(),
		depthGroup(),
		bufferGroup(),
	}
	all = append(all, mappedGroups()...)
	all = append(all,
		busGroup(),
	)
	all = append(all, crowdGroups()...)
	all = append(all,
		rawGroup(f),
		framedGroup(f, 1),
		framedGroup(f, 64),
		largeGroup(f),
	)
	all = append(all, codecGroups()...)
	all = append(all, sizeGroups(f, full)...)
	if full {
		all = append(all, windowGroup(f))
	}
	all = append(all, httpClientGroups()...)
	all = append(all, socketGroups(f)...)
	all = append(all,
		latencyGroup(f),
		idleMixGroup(f),
		connectGroup(f),
		proxyGroup(f),
		tlsGroup(f, "raw"),
		tlsGroup(f, "u32"),
		udpGroup(f, 1),
		udpGroup(f, 32),
		udpQueuedGroup(),
		udpSinkGroup(f),
		httpGroup(f, 1),
		httpGroup(f, 16),
		httpStreamGroup(f),
		httpUploadGroup(f),
		httpFileGroup(f),
		httpTLSGroup(f),
	)
	all = append(all, http2Groups(f)...)
	return append(all,
		idleGroup(f),
		idleTLSGroup(f),
		manyIdleGroup(f),
	)
}

// isOurs reports whether a contender is weir.
func isOurs(name string) bool { return strings.HasPrefix(name, "weir") }

func echoes(f *suite.Field, spec load.Spec, names ...string) (all []suite.Contender) {
	for _, name := range names {
		all = append(all, f.Echo(name, isOurs(name), spec))
	}
	return all
}
