package unixfile

import (
	"errors"
	"io/fs"
)

// MaxPath is how many bytes a path may have on Linux; other systems have a little less.
const MaxPath = 107

// BindHint says what to do about an error of binding to a path, or nothing.
func BindHint(err error) string {
	switch {
	case errors.Is(err, ErrNotSocket):
		return "; remove it if nobody needs it, or choose another path"
	case errors.Is(err, ErrForeign):
		return "; if nobody listens there, have its user remove it, or choose another path"
	case errors.Is(err, fs.ErrNotExist):
		return "; the directory has to be made first"
	case errors.Is(err, fs.ErrPermission):
		return "; this user has to be allowed to write to the directory"
	}
	return ""
}
