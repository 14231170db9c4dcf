// Package socket holds code shared by servers and clients: the options of sockets and the texts of errors.
package socket
