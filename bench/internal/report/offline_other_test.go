//go:build !linux

package report

import "os/exec"

// offline makes the browser resolve no host. Other systems cannot deny one process the network.
func offline(cmd *exec.Cmd) bool {
	cmd.Args = append(cmd.Args[:len(cmd.Args)-1:len(cmd.Args)-1],
		"--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", cmd.Args[len(cmd.Args)-1])
	return false
}
