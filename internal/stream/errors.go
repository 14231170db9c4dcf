package stream

import "errors"

// ErrTooLarge is chanio.ErrTooLarge, for what must not import that package.
var ErrTooLarge = errors.New("limit exceeded")
