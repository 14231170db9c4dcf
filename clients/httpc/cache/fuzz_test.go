package cache

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzDirectives checks that any header can be parsed, and that stored values are restored.
func FuzzDirectives(f *testing.F) {
	for _, seed := range []string{"max-age=10", `no-cache="a, b", max-age="1"`, `x="\"`, ",,=", "max-age=99999999999999999999"} {
		f.Add(seed, "W/\"x\", \"y\"", []byte(`{"URL":"u","Variants":[{"Status":200,"Fields":{"A":["eA=="]}}]}`))
	}
	f.Fuzz(func(t *testing.T, says, tags string, text []byte) {
		r, err := http.NewRequest(http.MethodGet, "http://a/", nil)
		require.NoError(t, err)
		r.Header = http.Header{"Cache-Control": {says}, "If-None-Match": {tags}, "Range": {tags}}
		resp := &http.Response{StatusCode: 200, Header: http.Header{"Cache-Control": {says, tags}, "Etag": {tags}, "Vary": {tags}}}
		storable(asks(r.Header), resp.StatusCode, resp.Header)
		now := time.Unix(1e9, 0)
		v := newVariant(r, resp, now, now)
		require.True(t, v.matches(r) || variesByAll(resp.Header))
		v.usable(asks(r.Header), now)
		v.usableOnError(asks(r.Header), now)
		require.GreaterOrEqual(t, v.lifetime(), time.Duration(0))
		_ = v.response(r, nil, now, hit)
		stored := decodePage("u", (&page{URL: "u", Variants: []*variant{v}}).encode())
		require.Equal(t, v.Header, stored.Variants[0].Header)
		if p := decodePage("u", text); p != nil {
			for _, v := range p.Variants {
				v.matches(r)
				v.usable(asks(r.Header), now)
				_ = v.response(r, nil, now, hit)
			}
			require.NotNil(t, decodePage("u", p.encode()))
		}
	})
}
