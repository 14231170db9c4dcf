package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-go/weir/internal/jarctx"
)

// page is the set of responses stored for one URL.
type page struct {
	URL      string
	Variants []*variant // the latest last
}

// variant is a stored response without its body.
type variant struct {
	ID           string
	Vary         map[string]string // digests of the values in the request, by field name
	Status       int
	Proto        string
	Header       http.Header         `json:"-"`
	Fields       map[string][][]byte // Header, whose values need not be UTF-8
	Uncompressed bool
	Requested    time.Time
	Received     time.Time
	Length       int
	Sum          uint32 // of the body
}

// keyOf returns the key of a URL in the store.
func keyOf(u string) string { return digest(u) }

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// urlOf returns the URL under which responses to r are stored, in a normal form.
func urlOf(r *http.Request) string {
	u := *r.URL
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	u.Scheme = strings.ToLower(u.Scheme)
	u.Host = plainHost(u.Scheme, u.Host)
	if u.Path == "" && u.Opaque == "" {
		u.Path = "/"
	}
	if host := plainHost(u.Scheme, r.Host); host != "" && host != u.Host {
		return u.String() + " for " + host
	}
	return u.String()
}

// plainHost returns a host in lower case without the default port of its scheme: RFC 9110 4.2.3.
func plainHost(scheme, host string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// varyNames returns the field names in Vary, and Authorization.
func varyNames(h http.Header) []string {
	names := []string{"Authorization"}
	for name := range strings.SplitSeq(strings.Join(h["Vary"], ","), ",") {
		if name = strings.Trim(name, " \t"); name != "" {
			names = append(names, http.CanonicalHeaderKey(name))
		}
	}
	return names
}

func variesByAll(h http.Header) bool { return slices.Contains(varyNames(h), "*") }

// said returns a digest of the value of a field, or "" if h does not have it. White space around commas and the number
// of lines make no difference: RFC 9111 4.1.
func said(h http.Header, name string) string {
	lines, ok := h[name]
	if !ok {
		return ""
	}
	parts := strings.Split(strings.Join(lines, ","), ",")
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " \t")
	}
	return digest(strings.Join(parts, ","))
}

// newVariant returns a variant of a response.
func newVariant(r *http.Request, resp *http.Response, requested, received time.Time) *variant {
	v := &variant{
		Status: resp.StatusCode, Proto: resp.Proto, Header: stored(resp.Header), Uncompressed: resp.Uncompressed,
		Requested: requested, Received: received,
	}
	v.vary(r)
	if v.Header.Get("Date") == "" {
		v.Header.Set("Date", received.UTC().Format(http.TimeFormat)) // RFC 9110 6.6.1
	}
	return v
}

// notStored are the fields of the connection, which are not stored: RFC 9111 3.1.
var notStored = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// stored returns the part of a header that is stored.
func stored(h http.Header) http.Header {
	kept := h.Clone()
	for name := range strings.SplitSeq(strings.Join(h["Connection"], ","), ",") {
		kept.Del(strings.Trim(name, " \t"))
	}
	for _, name := range notStored {
		delete(kept, name)
	}
	return kept
}

// ofBody are fields that a 304 does not update, since they describe its own empty content: RFC 9111 3.2.
var ofBody = []string{"Content-Encoding", "Content-Length", "Content-Range", "Content-Md5", "Content-Digest"}

// freshen updates v with the header of a response to r that confirms it.
func (v *variant) freshen(r *http.Request, h http.Header, requested, received time.Time) {
	news := stored(h)
	for _, name := range ofBody {
		delete(news, name)
	}
	if len(news["Age"]) == 0 {
		delete(v.Header, "Age")
	}
	if news.Get("Date") == "" {
		news.Set("Date", received.UTC().Format(http.TimeFormat))
	}
	maps.Copy(v.Header, news)
	v.Requested, v.Received = requested, received
	v.vary(r) // which v answers, regardless of the first request
}

// vary records which requests v answers: those with the same values as r in the fields of Vary. Those of an earlier Vary
// still count, because a 304 may have a shorter one. Its ID follows from them, so a later response to such a request
// replaces v.
func (v *variant) vary(r *http.Request) {
	if v.Vary == nil {
		v.Vary = map[string]string{}
	}
	for _, name := range varyNames(v.Header) {
		v.Vary[name] = said(r.Header, name)
	}
	id := ""
	for _, name := range slices.Sorted(maps.Keys(v.Vary)) {
		id += name + "\n" + v.Vary[name] + "\n"
	}
	v.ID = digest(id)[:16]
}

// matches reports whether v answers r: RFC 9111 4.1.
func (v *variant) matches(r *http.Request) bool {
	for name, want := range v.Vary {
		if said(r.Header, name) != want {
			return false
		}
	}
	return true
}

// match returns the latest response that answers r, or nil.
func (p *page) match(r *http.Request) *variant {
	var best *variant
	for _, v := range p.Variants {
		if v.matches(r) && (best == nil || !v.date().Before(best.date())) {
			best = v
		}
	}
	return best
}

// supersedes reports whether p has a response that was requested after v and replaces it. If the clock was set back, a
// response from the future does not.
func (p *page) supersedes(v *variant) bool {
	return slices.ContainsFunc(p.Variants, func(old *variant) bool {
		return old.ID == v.ID && old.Requested.After(v.Requested) && !old.Requested.After(time.Now())
	})
}

// remove removes a variant.
func (p *page) remove(id string) {
	p.Variants = slices.DeleteFunc(p.Variants, func(v *variant) bool { return v.ID == id })
}

// encode returns the stored form of p.
func (p *page) encode() []byte {
	for _, v := range p.Variants {
		v.Fields = make(map[string][][]byte, len(v.Header))
		for name, values := range v.Header {
			for _, value := range values {
				v.Fields[name] = append(v.Fields[name], []byte(value))
			}
		}
	}
	text, _ := json.Marshal(p) // which never fails for a page
	return text
}

// decodePage decodes a value of the store. It returns nil if that is not a page of the URL.
func decodePage(url string, p []byte) *page {
	pg := new(page)
	if len(p) == 0 || json.Unmarshal(p, pg) != nil || pg.URL != url || slices.Contains(pg.Variants, nil) {
		return nil
	}
	for _, v := range pg.Variants {
		v.Header = make(http.Header, len(v.Fields))
		for name, values := range v.Fields {
			for _, value := range values {
				v.Header[name] = append(v.Header[name], string(value))
			}
		}
		v.Fields = nil
		if len(v.Header) == 0 || v.Status < 200 || v.Status > 599 {
			return nil
		}
	}
	return pg
}

// isWhole reports whether body is the complete body of v.
func (v *variant) isWhole(body []byte) bool {
	return len(body) == v.Length && crc32.ChecksumIEEE(body) == v.Sum
}

// response makes a response of v. how is added to the Cache-Status field.
func (v *variant) response(r *http.Request, body []byte, now time.Time, how string) *http.Response {
	h := v.Header.Clone()
	if how == hit {
		for _, name := range parseDirectives(h).fields("no-cache") {
			delete(h, name)
		}
	}
	if jarctx.In(r.Context()) { // the jar already has these, and may have newer ones
		delete(h, "Set-Cookie")
		delete(h, "Set-Cookie2")
	}
	h.Set("Age", strconv.FormatInt(int64(v.age(now)/time.Second), 10))
	mark(h, how)
	resp := &http.Response{
		Status: strconv.Itoa(v.Status) + " " + http.StatusText(v.Status), StatusCode: v.Status, Proto: v.Proto, Header: h,
		ContentLength: int64(len(body)), Uncompressed: v.Uncompressed, Request: r, Body: io.NopCloser(bytes.NewReader(body)),
	}
	resp.ProtoMajor, resp.ProtoMinor, _ = http.ParseHTTPVersion(v.Proto)
	if r.Method == http.MethodHead || len(body) == 0 {
		resp.Body = http.NoBody
	}
	if v.Status == http.StatusOK && v.holdsFor(r) {
		resp.StatusCode, resp.Status = http.StatusNotModified, "304 Not Modified"
		resp.Body, resp.ContentLength = http.NoBody, 0
		for name := range h {
			if strings.HasPrefix(name, "Content-") && name != "Content-Location" {
				delete(h, name)
			}
		}
	}
	return resp
}

// sameOrigin resolves a URL in a field of a response. ok is false if its origin differs from the request's.
func sameOrigin(r *http.Request, field string) (string, bool) {
	if field == "" {
		return "", false
	}
	u, err := url.Parse(field)
	if err != nil {
		return "", false
	}
	u = r.URL.ResolveReference(u)
	scheme := strings.ToLower(r.URL.Scheme)
	if u.Scheme != scheme || plainHost(scheme, u.Host) != plainHost(scheme, r.URL.Host) {
		return "", false
	}
	other := *r
	other.URL = u
	return urlOf(&other), true
}
