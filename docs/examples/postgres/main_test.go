package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/docs/examples/internal/peertest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestAgainstTheRealServer(t *testing.T) {
	addr := startPostgres(t, "secret")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), addr, "postgres", "secret", &out))
	require.Equal(t, strings.Join([]string{
		"CREATE TABLE",
		"INSERT 0 3",
		"name\tage\t", "\"\"\t\"0\"\t", "\"Mia\"\tNULL\t", "\"Rex\"\t\"7\"\t", "SELECT 3",
		"one\t", "SELECT 0",
		"nothing to do",
		"postgres: ERROR: division by zero",
		"?column?\t", "\"still here\"\t", "SELECT 1", "",
	}, "\n"), out.String())

	var failure Failure
	require.ErrorAs(t, run(t.Context(), addr, "postgres", "wrong", io.Discard), &failure)
	require.ErrorContains(t, failure, `password authentication failed for user "postgres"`)
}

// startPostgres runs a new server whose user postgres has this password. The server refuses to run as root; it then
// runs as the user postgres of the Debian package.
func startPostgres(t *testing.T, password string) (addr string) {
	bin := ""
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres"); len(found) > 0 {
		bin = filepath.Dir(found[len(found)-1])
	} else {
		bin = filepath.Dir(peertest.Program(t, "postgres", "postgresql"))
	}
	dir, err := os.MkdirTemp("", "postgres")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	var as []string
	if os.Getuid() == 0 {
		as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
		chown(t, dir, "postgres")
	}
	program := func(name string, args ...string) []string {
		return append(append(append([]string{}, as...), filepath.Join(bin, name)), args...)
	}
	secret, data := filepath.Join(dir, "password"), filepath.Join(dir, "data")
	require.NoError(t, os.WriteFile(secret, []byte(password+"\n"), 0o644))
	initdb := program("initdb", "-D", data, "-U", "postgres", "-A", "password", "--pwfile="+secret, "--no-locale", "-E", "UTF8", "-N")
	said, err := exec.Command(initdb[0], initdb[1:]...).CombinedOutput()
	require.NoError(t, err, "%s", said)
	serve := program("postgres", "-D", data, "-p", "PORT", "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
	addr = peertest.Start(t, serve[0], "ready to accept connections", serve[1:]...)
	t.Cleanup(func() {
		stop := program("pg_ctl", "-D", data, "-m", "fast", "-w", "stop")
		said, err := exec.Command(stop[0], stop[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", said)
	})
	return addr
}

func chown(t *testing.T, path, name string) {
	u, err := user.Lookup(name)
	require.NoError(t, err)
	uid, err := strconv.Atoi(u.Uid)
	require.NoError(t, err)
	gid, err := strconv.Atoi(u.Gid)
	require.NoError(t, err)
	require.NoError(t, os.Chown(path, uid, gid))
}

func TestMessagesHaveTheirBytes(t *testing.T) {
	codectest.Vector(t, startup, "00000010 00030000 7573657200 6100 00", Startup{{First: "user", Second: "a"}})
	codectest.Vector(t, frontend, "51 00000006 7800", Message(Query("x")))
	codectest.Vector(t, frontend, "70 00000006 7800", Message(Password("x")))
	codectest.Vector(t, frontend, "58 00000004", Message(Terminate{}))
	x := "x"
	for hex, m := range map[string]Message{
		"44 0000000f 0002 00000001 78 ffffffff": DataRow{&x, nil},
		"52 00000008 00000000":                  Authentication{0, []byte{}},
		"52 0000000c 00000005 01020304":         Authentication{5, []byte{1, 2, 3, 4}},
		"53 00000008 6100 6200":                 ParameterStatus{First: "a", Second: "b"},
		"4b 0000000c 00000001 00000002":         BackendKeyData{1, 2},
		"5a 00000005 49":                        ReadyForQuery('I'),
		"54 0000001a 0001 6100 00000001 0002 00000017 0004 ffffffff 0000": RowDescription{{"a", ColumnType{1, 2, 23, 4, -1, 0}}},
		"43 00000006 7800":             CommandComplete("x"),
		"49 00000004":                  EmptyQuery{},
		"45 0000000b 436200 4d6300 00": Failure{{First: 'C', Second: "b"}, {First: 'M', Second: "c"}},
		"4e 00000005 00":               Notice{},
		"41 00000006 7800":             Unknown{'A', []byte("x\x00")},
	} {
		codectest.Vector(t, backend, hex, m)
	}
}

func TestWhatIsNoMessage(t *testing.T) {
	codectest.Rejects(t, backend, "5a 00000003", codec.ErrMalformed, 1)
	codectest.Rejects(t, backend, "43 00000005 78", io.ErrUnexpectedEOF, 5)
	codectest.Rejects(t, backend, "44 0000000a 0001 fffffffe", codec.ErrMalformed, 7)
	codectest.Refuses(t, frontend, Message(Query("a\x00b")), codec.ErrMalformed)
	codectest.Refuses(t, backend, Message(Unknown{Tag: 'D'}), codec.ErrMismatch)
	codectest.Refuses(t, frontend, Message(DataRow{}), codec.ErrMismatch)
}

func FuzzBackend(f *testing.F) {
	x := "x"
	codectest.Fuzz(f, backend, Message(DataRow{&x, nil}), Message(Failure{{First: 'C', Second: "b"}}))
}
