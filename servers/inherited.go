package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// The protocol of systemd's socket activation, sd_listen_fds(3).
const (
	listenPID      = "LISTEN_PID"     // whom they are for
	listenFDs      = "LISTEN_FDS"     // how many there are
	listenFDNames  = "LISTEN_FDNAMES" // separated by colons
	firstInherited = 3                // the first descriptor
)

// Inherited returns the sockets that were handed to this process by systemd, or by another that follows its protocol
// (sd_listen_fds(3)) as [HandOver] does, in the order of the unit's sockets. The Name of each file is what systemd
// calls it, FileDescriptorName in the unit. The caller owns them: [ListenFile] takes one, [net.FilePacketConn] is for
// those of UDP. It returns none when there are none for this process.
//
// The variables of the environment are removed, so that child processes do not take them for theirs, and a second call
// returns none. If LISTEN_PID is not set, as HandOver leaves it, the sockets are taken to be for this process.
func Inherited() ([]*os.File, error) {
	pid, fds, names := os.Getenv(listenPID), os.Getenv(listenFDs), os.Getenv(listenFDNames)
	for _, name := range []string{listenPID, listenFDs, listenFDNames} {
		if err := os.Unsetenv(name); err != nil {
			return nil, fmt.Errorf("servers: %w", err)
		}
	}
	if fds == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.ParseUint(fds, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("servers: %s=%q is not a number of sockets: %w", listenFDs, fds, err)
	}
	files := make([]*os.File, n)
	for i := range files {
		fd := firstInherited + uintptr(i)
		closeOnExec(fd)
		files[i] = os.NewFile(fd, inheritedName(names, i))
	}
	return files, nil
}

// inheritedName returns what systemd calls the socket.
func inheritedName(names string, i int) string {
	all := strings.Split(names, ":")
	if names == "" || i >= len(all) {
		return "LISTEN_FD_" + strconv.Itoa(firstInherited+i)
	}
	return all[i]
}

// HandOver starts cmd as a successor that goes on accepting from the same sockets, so that none is refused while a
// program is replaced: the child calls [Inherited], which returns them in this order, and [ListenFile], while this
// process, once the child says that it is ready, ends with [Listener.Shutdown]. In between the kernel gives each
// connection to whichever accepts first.
//
// cmd is as the caller has made it, but has no ExtraFiles, because the sockets are the first; its Env, or that of this
// process, is extended. What becomes of the child is the caller's to see. If HandOver fails nothing has changed.
func HandOver(cmd *exec.Cmd, listeners ...*Listener) error {
	if len(cmd.ExtraFiles) > 0 {
		return errors.New("servers: hand over: cmd has ExtraFiles already, and the sockets have to be the first")
	}
	env := cmd.Env
	defer func() {
		for _, f := range cmd.ExtraFiles {
			_ = f.Close()
		}
		cmd.ExtraFiles = nil
	}()
	for _, l := range listeners {
		f, err := l.descriptor()
		if err != nil {
			return err
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Env = append(slices.DeleteFunc(cmd.Environ(), isListenVariable), listenFDs+"="+strconv.Itoa(len(listeners)))
	if err := cmd.Start(); err != nil {
		cmd.Env = env
		return fmt.Errorf("servers: hand over: %w", err)
	}
	for _, l := range listeners {
		l.leaveFile()
	}
	return nil
}

func isListenVariable(v string) bool {
	name, _, _ := strings.Cut(v, "=")
	return name == listenPID || name == listenFDs || name == listenFDNames
}
