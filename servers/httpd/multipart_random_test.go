package httpd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// cutReader returns pieces of random sizes.
type cutReader struct {
	p    []byte
	rnd  *rand.Rand
	most int
}

func (c *cutReader) Read(p []byte) (int, error) {
	if len(c.p) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.p[:min(len(c.p), 1+c.rnd.IntN(c.most))])
	c.p = c.p[n:]
	return n, nil
}

func randomForm(rnd *rand.Rand, boundary string) []byte {
	eol := []string{"\r\n", "\r\n", "\r\n", "\n"}[rnd.IntN(4)]
	var b bytes.Buffer
	if rnd.IntN(4) == 0 {
		b.WriteString("preamble" + eol)
	}
	for i := range rnd.IntN(5) {
		b.WriteString("--" + boundary + []string{"", "", " ", "\t "}[rnd.IntN(4)] + eol)
		fmt.Fprintf(&b, "Content-Disposition: form-data; name=\"n%d\"", i)
		switch rnd.IntN(4) {
		case 0:
			b.WriteString(`; filename="a/b\c.txt"`)
		case 1:
			b.WriteString(`; filename=""`)
		}
		b.WriteString(eol)
		if rnd.IntN(3) == 0 {
			b.WriteString("Content-Transfer-Encoding: quoted-printable" + eol)
		}
		if rnd.IntN(3) == 0 {
			b.WriteString("X: " + strings.Repeat("h", rnd.IntN(3000)) + eol)
		}
		b.WriteString(eol)
		for range rnd.IntN(6) {
			b.WriteString([]string{"\r", "\n", "\r\n", "--", "-", "--" + boundary[:1], "\r\n--" + boundary + "x", "\r\n--" + boundary[:len(boundary)-1],
				"--" + boundary, strings.Repeat("d", rnd.IntN(9000)), boundary, "\r\n\r\n", "=3D"}[rnd.IntN(13)])
		}
		b.WriteString(eol)
	}
	switch rnd.IntN(5) {
	case 0:
	case 1:
		b.WriteString("--" + boundary + "--")
	default:
		b.WriteString("--" + boundary + "--" + eol + "epilogue")
	}
	p := b.Bytes()
	for range rnd.IntN(3) * rnd.IntN(2) {
		if len(p) > 0 {
			p[rnd.IntN(len(p))] = "\r\n- :;\"x"[rnd.IntN(8)]
		}
	}
	if rnd.IntN(6) == 0 {
		p = p[:rnd.IntN(len(p)+1)]
	}
	return p
}

func oracleParts(p []byte, boundary string) (got []string, err error) {
	r := multipart.NewReader(bytes.NewReader(p), boundary)
	for {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		name, fileName, isFile := disposition(part.Header)
		if name == "" {
			return got, errors.New("no name")
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return got, err
		}
		got = append(got, fmt.Sprintf("%s|%s|%v|%v|%s", name, baseName(fileName), isFile, part.Header, text))
	}
}

func ourParts(t *testing.T, p []byte, boundary string, cfg *MultipartConfig, rnd *rand.Rand, most int) (got []string, err error) {
	r := httptest.NewRequest(http.MethodPost, "/", &cutReader{p, rnd, most})
	r.Header.Set("Content-Type", "multipart/form-data; boundary=\""+boundary+"\"")
	parts, err := Multipart(httptest.NewRecorder(), r, cfg)
	require.NoError(t, err)
	defer func() { _ = parts.Close() }()
	ctx := t.Context()
	for {
		part, err := parts.Recv(ctx)
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		text, isFile := part.Text, part.Source != nil
		if isFile {
			all, err := io.ReadAll(chanio.NewReader(ctx, part.Source))
			if err != nil {
				return got, err
			}
			text = string(all)
		}
		if part.Size >= 0 {
			require.EqualValues(t, len(text), part.Size)
		}
		got = append(got, fmt.Sprintf("%s|%s|%v|%v|%s", part.Name, part.FileName, isFile, part.Header, text))
		part.Release()
	}
}

// TestRandomPartsAreThoseOfMimeMultipart reads random forms, well-formed and not, in pieces of all sizes.
func TestRandomPartsAreThoseOfMimeMultipart(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for i := range 150 {
		boundary := []string{"b", "xyz", "--", strings.Repeat("q", 70), "a b c"}[rnd.IntN(5)]
		p := randomForm(rnd, boundary)
		want, wantErr := oracleParts(p, boundary)
		for _, cfg := range []*MultipartConfig{nil, {Store: true, MaxMemory: 2000, TempDir: t.TempDir()}} {
			got, err := ourParts(t, p, boundary, cfg, rnd, []int{1, 5, 5000}[rnd.IntN(3)])
			if fmt.Sprint(got) != fmt.Sprint(want) || (err == nil) != (wantErr == nil) {
				t.Fatalf("seed %d, %d: %q\n%v\n%v\n%q\n%q", seed, i, p[:min(len(p), 600)], err, wantErr, got, want)
			}
			var refused *RequestError
			if err != nil {
				require.ErrorAs(t, err, &refused, "%q", p)
				require.Equal(t, 400, refused.Status)
			}
		}
	}
}
