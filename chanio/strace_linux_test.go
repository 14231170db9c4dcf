package chanio_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// tracedVar is set in the child process that runs TestServesUnderStrace.
const tracedVar = "WEIR_TEST_STRACED"

// TestServesUnderStrace is the server of the tests below, which run it in a child process. Elsewhere it does nothing.
func TestServesUnderStrace(t *testing.T) {
	echo := echoes[os.Getenv(tracedVar)]
	if echo == nil {
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	fmt.Println(ln.Addr())
	nc, err := ln.Accept()
	require.NoError(t, err)
	// A traced process is slow. With the default, the delay of a reply may pass before the reader is about to wait.
	cfg := &chanio.ConnConfig{Coalesce: time.Minute}
	require.NoError(t, echo(t.Context(), chanio.NewConn(nc, cfg)))
}

// traced returns the system calls of a server on its connection, in order, while talk acts as its client: 'r' for a
// read that returned bytes, '0' for one that found none, 'w' for a write.
func traced(t *testing.T, echo string, talk func(client net.Conn)) string {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("WEIR_REQUIRE") == "1" {
			require.NoError(t, err)
		}
		t.Skip("needs strace, Debian package strace")
	}
	file := filepath.Join(t.TempDir(), "calls")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-o", file, "-e", "trace=read,write,writev,accept4",
		os.Args[0], "-test.run=^TestServesUnderStrace$")
	cmd.Env = append(os.Environ(), tracedVar+"="+echo)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "the child says where it listens")
	client, err := net.Dial("tcp", lines.Text())
	require.NoError(t, err)
	talk(client)
	require.NoError(t, client.(closeWriter).CloseWrite())
	for lines.Scan() {
	}
	require.NoError(t, cmd.Wait())
	require.NoError(t, client.Close())
	trace, err := os.ReadFile(file)
	require.NoError(t, err)
	return connCalls(t, string(trace))
}

var (
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	call    = regexp.MustCompile(`^(\d+) +(read|write|writev|accept4)\((\d+), .* = (-?\d+)`)
)

// connCalls parses a trace. strace splits a call in two lines if another thread makes one meanwhile.
func connCalls(t *testing.T, trace string) string {
	conn := "" // the descriptor of the accepted connection
	var calls strings.Builder
	begun := map[string]string{} // what a thread has under way
	for line := range strings.Lines(trace) {
		line = strings.TrimSuffix(line, "\n")
		if start, ok := strings.CutSuffix(line, " <unfinished ...>"); ok {
			thread, _, _ := strings.Cut(line, " ")
			begun[thread] = start
			continue
		}
		if m := resumed.FindStringSubmatch(line); m != nil {
			line = begun[m[1]] + m[3]
		}
		m := call.FindStringSubmatch(line)
		switch {
		case m == nil:
		case m[2] == "accept4":
			if m[4] != "-1" {
				conn = m[4]
			}
		case m[3] != conn:
		case m[2] != "read":
			calls.WriteByte('w')
		case m[4] == "-1":
			calls.WriteByte('0')
		default:
			calls.WriteByte('r')
		}
	}
	require.NotEmpty(t, conn, trace)
	return calls.String()
}

func TestOneFrameInFlightIsOneSystemCall(t *testing.T) {
	for echo := range echoes {
		t.Run(echo, func(t *testing.T) {
			const rounds = 30
			calls := traced(t, echo, func(client net.Conn) {
				for range rounds {
					exchange(t, client, 1)
				}
			})
			require.Equal(t, rounds, strings.Count(calls, "w"), calls)
			require.Equal(t, rounds, strings.Count(calls, "rw"), "each reply is written before the next read: %s", calls)
		})
	}
}

func TestManyFramesInFlightShareTheirSystemCalls(t *testing.T) {
	for echo := range echoes {
		t.Run(echo, func(t *testing.T) {
			const rounds, window = 20, 64
			calls := traced(t, echo, func(client net.Conn) {
				for range rounds {
					exchange(t, client, window)
				}
			})
			require.NotZero(t, strings.Count(calls, "w"), calls)
			require.LessOrEqual(t, strings.Count(calls, "w"), rounds*window/16, calls)
		})
	}
}
