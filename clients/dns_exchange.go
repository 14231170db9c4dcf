package clients

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-go/weir/internal/dnsmsg"
	"github.com/weir-go/weir/internal/eof"
	"github.com/weir-go/weir/internal/guard"
)

// ask queries one server once: by UDP, by TCP if the answer was truncated, and without EDNS if the server does not
// support it.
func (r *DNSResolver) ask(ctx context.Context, server string, q question) (dnsmsg.Answer, error) {
	payload := max(r.cfg.Payload, 0)
	a, err := r.askWith(ctx, server, q, uint16(payload))
	if err == nil && payload > 0 && knowsNoEDNS(a.RCode) {
		a, err = r.askWith(ctx, server, q, 0)
	}
	if err != nil {
		return a, err
	}
	if a.RCode != dnsmessage.RCodeSuccess && a.RCode != dnsmessage.RCodeNameError {
		code := strings.TrimPrefix(a.RCode.String(), "RCode")
		return a, fmt.Errorf("%w: it says %s", errServerFailed, code)
	}
	return a, nil
}

func knowsNoEDNS(code dnsmessage.RCode) bool {
	return code == dnsmessage.RCodeFormatError || code == dnsmessage.RCodeNotImplemented
}

func (r *DNSResolver) askWith(ctx context.Context, server string, q question, payload uint16) (dnsmsg.Answer, error) {
	id := uint16(rand.Uint32())
	query, err := dnsmsg.Query(id, q.name, q.typ, payload)
	if err != nil {
		return dnsmsg.Answer{}, err
	}
	judge := func(msg []byte) (dnsmsg.Answer, error) { return dnsmsg.Parse(msg, id, q.name, q.typ) }
	if !r.cfg.UseTCP {
		a, err := r.exchange(ctx, "udp", server, func(nc net.Conn) (dnsmsg.Answer, error) {
			return askByDatagram(nc, query, max(512, int(payload)), judge)
		})
		if err != nil || !a.Truncated {
			return a, err
		}
	}
	return r.exchange(ctx, "tcp", server, func(nc net.Conn) (dnsmsg.Answer, error) {
		return askByStream(nc, query, judge)
	})
}

// exchange connects to server and runs f, all within the timeout.
func (r *DNSResolver) exchange(
	ctx context.Context, network, server string, f func(net.Conn) (dnsmsg.Answer, error),
) (a dnsmsg.Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	nc, err := r.cfg.Dial(ctx, network, server)
	if err != nil {
		return a, err
	}
	defer func() { _ = nc.Close() }() // the answer has arrived or never will
	defer interruptible(ctx, nc)()
	return f(nc)
}

// interruptible makes calls on nc fail when ctx ends. The returned function undoes that.
func interruptible(ctx context.Context, nc net.Conn) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = guard.Call(func() { _ = nc.SetDeadline(time.Unix(1, 0)) }) // of DNSConfig.Dial; fails if it is closed
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// truncatedBit is TC in the third byte of a message (RFC 1035, section 4.1.1).
const truncatedBit = 1 << 1

// askByDatagram sends query and waits for the answer. It ignores datagrams that do not answer query, which may be
// forged. An answer of more than size bytes counts as truncated, because the rest is lost, and is requested again by
// TCP.
func askByDatagram(
	nc net.Conn, query []byte, size int, judge func([]byte) (dnsmsg.Answer, error),
) (dnsmsg.Answer, error) {
	if _, err := nc.Write(query); err != nil {
		return dnsmsg.Answer{}, err
	}
	msg := make([]byte, size+1)
	for {
		n, err := nc.Read(msg)
		if err != nil {
			return dnsmsg.Answer{}, err
		}
		if n > size {
			msg[2] |= truncatedBit
		}
		a, err := judge(msg[:n])
		if !errors.Is(err, dnsmsg.ErrOther) {
			return a, err
		}
	}
}

// askByStream sends query and reads one answer, each after its length (RFC 1035, section 4.2.2).
func askByStream(nc net.Conn, query []byte, judge func([]byte) (dnsmsg.Answer, error)) (dnsmsg.Answer, error) {
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	if _, err := nc.Write(framed); err != nil {
		return dnsmsg.Answer{}, err
	}
	var size [2]byte
	if _, err := io.ReadFull(nc, size[:]); err != nil {
		return dnsmsg.Answer{}, eof.Unexpected(err)
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(nc, msg); err != nil {
		return dnsmsg.Answer{}, eof.Unexpected(err)
	}
	a, err := judge(msg)
	if err == nil && a.Truncated {
		err = errors.New("the server truncates its answers over TCP too")
	}
	return a, err
}
