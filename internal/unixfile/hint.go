package unixfile

import (
	"errors"
	"io/fs"
)

// MaxPath is the maximum length of a path in bytes on Linux. Other systems allow slightly less.
const MaxPath = 107

// BindHint returns advice about an error of binding to a path, or "".
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
