package datagram

// sysSendmmsg is missing from package syscall only on this architecture.
const sysSendmmsg = 307
