package transports

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

// tokens is a server that issues tokens, each valid for one request, and that accepts them.
func tokens(made *atomic.Int64) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		user, secret, _ := r.BasicAuth()
		grant := r.PostFormValue("grant_type")
		if grant == "client_credentials" && user+":"+secret != "me:secret" || grant == "refresh_token" && r.PostFormValue("refresh_token") != "again" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer","refresh_token":"again","expires_in":1}`, made.Add(1))
	})
	mux.HandleFunc("POST /thing", func(w http.ResponseWriter, r *http.Request) {
		p, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Header.Get("Authorization")+" "+string(p))
	})
	return mux
}

func TestOauth2(t *testing.T) {
	var made atomic.Int64
	over(t, tokens(&made), func(t *testing.T, s ecosystem.Server, client *http.Client) {
		made.Store(0)
		ctx := context.WithValue(ecosystem.Within(t), oauth2.HTTPClient, client)
		cfg := clientcredentials.Config{ClientID: "me", ClientSecret: "secret", TokenURL: s.URL + "/token", AuthStyle: oauth2.AuthStyleInHeader}
		authed := cfg.Client(ctx)
		for i := range 2 { // a token that expires within 10 s counts as expired
			_, body := s.Do(t, authed, http.MethodPost, "/thing", http.NoBody)
			require.Equal(t, fmt.Sprintf("Bearer t%d ", i+1), body)
		}

		refreshed := (&oauth2.Config{Endpoint: oauth2.Endpoint{TokenURL: s.URL + "/token"}}).TokenSource(ctx,
			&oauth2.Token{AccessToken: "old", RefreshToken: "again", Expiry: time.Now().Add(-time.Hour)})
		token, err := refreshed.Token()
		require.NoError(t, err)
		require.Equal(t, "t3", token.AccessToken)

		wrong := clientcredentials.Config{ClientID: "me", ClientSecret: "wrong", TokenURL: s.URL + "/token"}
		_, err = wrong.Token(ctx)
		var refused *oauth2.RetrieveError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "invalid_client", refused.ErrorCode)
	})
}
