package httpd

import (
	"cmp"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// FilesConfig configures [Files]. A nil *FilesConfig and the zero value use the defaults.
type FilesConfig struct {
	// Index is the name of the file served for a directory. "" means index.html. A directory without it is not found;
	// there are no listings.
	Index string

	// DotFiles serves files and directories whose names start with a dot. By default they are not found.
	DotFiles bool

	// Precompressed lists the content codings of precompressed files, in the server's order of preference: if the
	// client accepts one, a.js.br or a.js.gz is served instead of a.js. nil means br, zstd and gzip; an empty slice
	// means none.
	Precompressed []string

	// CacheControl, if not "", is the Cache-Control field of the files served.
	CacheControl string

	// NotFound answers requests for files that are not found. nil means 404 with a line of text.
	NotFound http.Handler
}

// suffixes maps a coding to the extension of its files.
var suffixes = map[string]string{"br": ".br", "zstd": ".zst", "gzip": ".gz"}

// Files returns a handler that serves the files of fsys, for GET and HEAD, by the path of the URL:
//
//	root, err := os.OpenRoot("public")
//	...
//	mux.Handle("/static/", http.StripPrefix("/static/", httpd.Files(root.FS(), nil)))
//
// Conditions, ranges and types are as for [File]. The FS of an os.Root follows no link and no path out of its
// directory; os.DirFS follows links. On every system, a path with a NUL, a backslash, a colon or an element such as
// "..", "." or "CON" is not found, and neither is anything other than a regular file or directory. A directory is
// redirected to its path with a slash. cfg may be nil.
func Files(fsys fs.FS, cfg *FilesConfig) http.Handler {
	if fsys == nil {
		panic("httpd: Files: fsys is nil")
	}
	h := &fileServer{fsys: fsys}
	if cfg != nil {
		h.cfg = *cfg
	}
	h.cfg.Index = cmp.Or(h.cfg.Index, "index.html")
	if h.cfg.Precompressed == nil {
		h.cfg.Precompressed = []string{"br", "zstd", "gzip"}
	}
	for _, coding := range h.cfg.Precompressed {
		if suffixes[coding] == "" {
			panic("httpd: Files: no extension is known for the coding " + strconv.Quote(coding))
		}
	}
	if h.cfg.NotFound == nil {
		h.cfg.NotFound = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "No such page.", http.StatusNotFound)
		})
	}
	return h
}

// fileServer is the handler that Files returns.
type fileServer struct {
	fsys fs.FS
	cfg  FilesConfig
}

func (h *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isSafe(r) {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	name, ok := h.nameOf(r.URL.Path)
	if !ok {
		h.cfg.NotFound.ServeHTTP(w, r)
		return
	}
	switch err := h.serve(w, r, name); {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrInvalid), errors.Is(err, errNotRegular):
		h.cfg.NotFound.ServeHTTP(w, r)
	default:
		var late begun
		if errors.As(err, &late) {
			if !isGone(w, r, err) {
				report(w, r, "file", err)
			}
			cut()
		}
		clearEntity(w.Header())
		failed(w, r, err)
	}
}

// nameOf returns the file name for the path of a URL. ok is false if the path may not be served.
func (h *fileServer) nameOf(urlPath string) (name string, ok bool) {
	name = strings.TrimSuffix(strings.TrimPrefix(urlPath, "/"), "/")
	if name == "" {
		return ".", true
	}
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\x00\\:") {
		return "", false
	}
	for element := range strings.SplitSeq(name, "/") {
		if !h.servable(element) {
			return "", false
		}
	}
	return name, true
}

// servable reports whether an element of a path may be served. On every system it rejects the device names of Windows.
func (h *fileServer) servable(element string) bool {
	if element == "." || element[0] == '.' && !h.cfg.DotFiles {
		return false
	}
	base, _, _ := strings.Cut(element, ".")
	switch base = strings.ToUpper(strings.TrimRight(base, " ")); base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return false
	}
	isPort := len(base) == 4 && (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")) && base[3] >= '0' && base[3] <= '9'
	return !isPort
}

func (h *fileServer) serve(w http.ResponseWriter, r *http.Request, name string) error {
	info, err := fs.Stat(h.fsys, name)
	if err != nil {
		return fs.ErrNotExist // a link that leads out of the root, or a name that is too long, is not found either
	}
	slash := strings.HasSuffix(r.URL.Path, "/") || r.URL.Path == ""
	switch {
	case info.IsDir() && !slash:
		redirect(w, r, path.Base(r.URL.Path)+"/")
		return nil
	case info.IsDir():
		name, info = path.Join(name, h.cfg.Index), nil
	case slash && name != ".":
		return fs.ErrNotExist
	}
	return h.serveFile(w, r, name, info)
}

// redirect redirects to a relative target, with the query of r.
func redirect(w http.ResponseWriter, r *http.Request, target string) {
	u := url.URL{Path: "./" + target, RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", u.String())
	w.WriteHeader(http.StatusMovedPermanently)
}

// serveFile serves a file or one of its precompressed forms. info is nil if it is not known.
func (h *fileServer) serveFile(w http.ResponseWriter, r *http.Request, name string, info fs.FileInfo) error {
	plain, err := h.open(name, info)
	if err != nil {
		return err
	}
	c := plain
	defer func() { _ = c.file.Close() }() // nothing was written to it
	header := w.Header()
	if h.cfg.CacheControl != "" {
		header.Set("Cache-Control", h.cfg.CacheControl)
	}
	if packed, coding := h.variant(r, header, name); packed != nil {
		if len(header.Values("Content-Type")) == 0 {
			kind, err := plain.kind()
			if err != nil {
				_ = packed.file.Close()
				return err
			}
			header.Set("Content-Type", kind)
		}
		header.Set("Content-Encoding", coding)
		_ = plain.file.Close() // nothing was written to it
		c = packed
	}
	return c.serve(w, r)
}

// variant opens the precompressed form of a file that the client prefers, if there is one. If any form exists, it adds
// Vary to header.
func (h *fileServer) variant(r *http.Request, header http.Header, name string) (c *content, coding string) {
	if len(h.cfg.Precompressed) == 0 {
		return nil, ""
	}
	best := 0
	for _, candidate := range h.cfg.Precompressed {
		info, err := fs.Stat(h.fsys, name+suffixes[candidate])
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		addVary(header, "Accept-Encoding")
		if q := quality(r.Header.Values("Accept-Encoding"), candidate); q > best {
			best, coding = q, candidate
		}
	}
	if coding == "" || best < quality(r.Header.Values("Accept-Encoding"), "identity") {
		return nil, ""
	}
	c, err := h.open(name+suffixes[coding], nil)
	if err != nil {
		return nil, ""
	}
	if c.etag != "" {
		c.etag = strings.TrimSuffix(c.etag, `"`) + "-" + coding + `"`
	}
	return c, coding
}

// open opens a regular file. info is nil if it is not known.
func (h *fileServer) open(name string, info fs.FileInfo) (*content, error) {
	if info == nil {
		var err error
		if info, err = fs.Stat(h.fsys, name); err != nil {
			return nil, fs.ErrNotExist
		}
	}
	if !info.Mode().IsRegular() { // opening a named pipe would block
		return nil, errNotRegular
	}
	f, err := h.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	modified := info.ModTime()
	return &content{file: f, size: info.Size(), name: name, modified: modified, etag: etagOf(modified, 0, info.Size())}, nil
}
