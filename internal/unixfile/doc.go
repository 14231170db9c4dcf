// Package unixfile binds Unix domain sockets to paths, for servers and clients. It removes a stale socket file, never
// one that is in use, and its own after use.
package unixfile

import "errors"

var (
	// ErrNotSocket means that the path is in use by a file that is not a socket, which is not removed.
	ErrNotSocket = errors.New("there is a file that is not a socket")

	// ErrForeign means that the path is in use by a socket that this user can neither connect to nor remove.
	ErrForeign = errors.New("there is a socket of another user")
)
