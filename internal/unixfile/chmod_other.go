//go:build unix && !aix && !solaris && !linux

package unixfile

import (
	"io/fs"
	"os"
)

// chmod sets the mode of the file at path. It follows a link that has replaced the file in the meantime, which needs
// the right to write to the directory.
func chmod(path string, mode fs.FileMode) error { return os.Chmod(path, mode) }
