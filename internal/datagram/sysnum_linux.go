//go:build !(386 || amd64 || mips || mipsle || s390x)

package datagram

import "syscall"

const sysSendmmsg = syscall.SYS_SENDMMSG
