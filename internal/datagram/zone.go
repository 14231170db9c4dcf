package datagram

import (
	"net"
	"strconv"
	"sync"
)

// zones remembers which interface the zone of an IPv6 address names, because to ask the system takes long. Interfaces
// that come and go later get other numbers.
type zones struct {
	mu      sync.Mutex
	names   map[uint32]string
	indexes map[string]uint32
}

const zonesMax = 64 // remembered; a host has few, but the zone in an address may be anything

// name returns the zone for the number of an interface.
func (z *zones) name(index uint32) string {
	z.mu.Lock()
	defer z.mu.Unlock()
	name, ok := z.names[index]
	if !ok {
		name = strconv.Itoa(int(index))
		if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
			name = ifi.Name
		}
		if z.names == nil || len(z.names) >= zonesMax {
			z.names = map[uint32]string{}
		}
		z.names[index] = name
	}
	return name
}

// index returns the number of the interface that a zone names, or 0.
func (z *zones) index(name string) uint32 {
	z.mu.Lock()
	defer z.mu.Unlock()
	index, ok := z.indexes[name]
	if !ok {
		if n, err := strconv.ParseUint(name, 10, 32); err == nil {
			index = uint32(n)
		} else if ifi, err := net.InterfaceByName(name); err == nil {
			index = uint32(ifi.Index)
		}
		if z.indexes == nil || len(z.indexes) >= zonesMax {
			z.indexes = map[string]uint32{}
		}
		z.indexes[name] = index
	}
	return index
}
