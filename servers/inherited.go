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
	listenPID      = "LISTEN_PID"     // the process they are for
	listenFDs      = "LISTEN_FDS"     // their number
	listenFDNames  = "LISTEN_FDNAMES" // separated by colons
	firstInherited = 3                // the first descriptor
)

// Inherited returns the listening sockets that systemd, or a process that follows its protocol as [HandOver] does, has
// passed to this process (sd_listen_fds(3)). They are in the order of the unit's sockets, and the Name of each file is
// its FileDescriptorName in the unit. The caller owns the files: [ListenFile] takes one, and [net.FilePacketConn] is
// for UDP sockets. Without passed sockets it returns none.
//
// Inherited removes the environment variables, so that child processes do not use them and a second call returns none.
// If LISTEN_PID is not set, as with HandOver, the sockets are assumed to be for this process. If fewer files were passed
// than LISTEN_FDS says, Inherited fails, except on OpenBSD, where it may return files that this process has
// opened itself.
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
	for i := range uintptr(n) { // before any of them has an owner
		if err := claimInherited(firstInherited + i); err != nil {
			return nil, fmt.Errorf("servers: %s=%q, but descriptor %d: %w", listenFDs, fds, firstInherited+i, err)
		}
	}
	files := make([]*os.File, n)
	for i := range files {
		files[i] = os.NewFile(firstInherited+uintptr(i), inheritedName(names, i))
	}
	return files, nil
}

// inheritedName returns the socket's FileDescriptorName.
func inheritedName(names string, i int) string {
	all := strings.Split(names, ":")
	if names == "" || i >= len(all) {
		return "LISTEN_FD_" + strconv.Itoa(firstInherited+i)
	}
	return all[i]
}

// HandOver starts cmd as the successor of this process, which continues to accept from the same sockets, so that a
// program can be replaced without refusing a connection. The child calls [Inherited], which returns the sockets in the
// order of listeners, and [ListenFile]. Once the child reports that it is ready, this process calls
// [Listener.Shutdown]. In between, the kernel gives each connection to whichever process accepts first.
//
// cmd must have no ExtraFiles, because the sockets take the first descriptors. HandOver extends its Env, or the
// environment of this process. The caller must wait for the child. If HandOver fails, nothing has changed.
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
