package datagram

// sysSendmmsg is missing from package syscall on this architecture alone.
const sysSendmmsg = 307
