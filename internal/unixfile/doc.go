// Package unixfile binds Unix domain sockets to paths, for servers and clients: it removes the socket file that a
// process has left behind, never one that is in use, and its own when it is done.
package unixfile

import "errors"

var (
	// ErrNotSocket is met where the path is taken by something that is not removed.
	ErrNotSocket = errors.New("there is a file that is not a socket")

	// ErrForeign is met where the path is taken by a socket that this user can neither connect to nor remove.
	ErrForeign = errors.New("there is a socket of another user")
)
