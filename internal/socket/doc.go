// Package socket holds what servers and clients share: the options of their sockets and the words of their errors.
package socket
