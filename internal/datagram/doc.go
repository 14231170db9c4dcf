// Package datagram makes a pair of typed halves of a UDP socket: servers and clients hand it out.
//
// The receiving half takes whatever has arrived in one system call and yields it one by one. The sending half collects
// what is sent while input is at hand, or while it is corked, and passes it on in one system call too. Where the system
// can do neither, datagrams cross one at a time behind the same calls.
package datagram
