package httpd

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// drainParts receives all parts with their content, and returns why they ended.
func drainParts(t *testing.T, parts *chanio.Source[*Part]) error {
	t.Helper()
	for {
		p, err := parts.Recv(t.Context())
		if err != nil {
			return err
		}
		if p.Source == nil {
			continue
		}
		if _, err = io.Copy(io.Discard, chanio.NewReader(t.Context(), p.Source)); err != nil {
			return err
		}
	}
}

// TestPartsFailAsTheirBodyDoes has a body fail at every byte, also where what has arrived of a line looks malformed.
func TestPartsFailAsTheirBodyDoes(t *testing.T) {
	const text = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\nX-A: 1\r\n\r\nc\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"e\"; filename=\"f\"\r\n\r\ng\r\nh\r\n--b"
	for _, store := range []bool{false, true} {
		for failure, status := range map[error]int{
			os.ErrDeadlineExceeded:           http.StatusRequestTimeout,
			deadline.Exceeded:                http.StatusRequestTimeout, // of the handler
			io.ErrUnexpectedEOF:              http.StatusBadRequest,
			&http.MaxBytesError{Limit: 1}:    http.StatusRequestEntityTooLarge,
			fmt.Errorf("%w", errUnpacked):    http.StatusRequestEntityTooLarge,
			fmt.Errorf("connection is lost"): http.StatusBadRequest,
		} {
			for cut := range len(text) {
				body := io.MultiReader(strings.NewReader(text[:cut]), iotest.ErrReader(failure))
				err := drainParts(t, partsOf(t, &MultipartConfig{Store: store}, body, "multipart/form-data; boundary=b"))
				require.ErrorIs(t, err, failure, "%q", text[:cut])
				require.Equal(t, status, statusOf(err), "%q: %v", text[:cut], err)
				require.False(t, chanio.Resumable(t.Context(), err), "%q: %v", text[:cut], err)
			}
		}
	}
}

func TestHeadOfAPartThatIsTooLongIsTooLargeWhateverItHolds(t *testing.T) {
	for _, line := range []string{"x", "x: y", "Content-Disposition: form-data; name=\""} {
		text := "--b\r\n" + line + strings.Repeat("x", 40<<10) + "\r\n\r\n"
		err := drainParts(t, partsOf(t, nil, strings.NewReader(text), "multipart/form-data; boundary=b"))
		require.Equal(t, http.StatusRequestEntityTooLarge, statusOf(err), "%q: %v", line, err)
	}
}

// TestFileOfClosedPartsIsClosed closes the Source of parts while a file is in use.
func TestFileOfClosedPartsIsClosed(t *testing.T) {
	body, kind := form(t, twoFiles)
	parts := partsOf(t, nil, body, kind)
	for range 2 {
		p, err := parts.Recv(t.Context())
		require.NoError(t, err)
		if p.Source == nil {
			continue
		}
		_, err = p.Source.Recv(t.Context())
		require.NoError(t, err)
		require.NoError(t, parts.Close())
		_, err = io.Copy(io.Discard, chanio.NewReader(t.Context(), p.Source))
		require.ErrorIs(t, err, net.ErrClosed)
		require.Zero(t, statusOf(err), "the client is not at fault")
	}
}

func TestChunksOfAFileKeepLittleMoreThanTheyHold(t *testing.T) {
	body, kind := form(t, twoFiles)
	parts := partsOf(t, nil, iotest.OneByteReader(body), kind)
	for p, err := range parts.Values(t.Context()) {
		require.NoError(t, err)
		if p.Source == nil {
			continue
		}
		for chunk := range p.Source.All(t.Context()) {
			require.LessOrEqual(t, cap(chunk), 4<<10)
		}
	}
}

func TestCloseReachesARecvThatWaitsForTheFileBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, kind := form(t, twoFiles)
		parts := partsOf(t, nil, body, kind)
		for range 2 { // the second is a file
			_, err := parts.Recv(t.Context())
			require.NoError(t, err)
		}
		waited := make(chan error)
		go func() {
			_, err := parts.Recv(t.Context())
			waited <- err
		}()
		synctest.Wait()
		require.NoError(t, parts.Close())
		require.ErrorIs(t, <-waited, net.ErrClosed)
	})
}
