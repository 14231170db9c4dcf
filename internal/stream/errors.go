package stream

import "errors"

// ErrTooLarge is chanio.ErrTooLarge, for packages that must not import chanio.
var ErrTooLarge = errors.New("limit exceeded")
