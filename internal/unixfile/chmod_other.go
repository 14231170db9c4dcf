//go:build unix && !aix && !solaris && !linux

package unixfile

import (
	"io/fs"
	"os"
)

// chmod gives the file at path a mode. It follows a link that somebody has put there in this moment, which takes the
// right to write to the directory.
func chmod(path string, mode fs.FileMode) error { return os.Chmod(path, mode) }
