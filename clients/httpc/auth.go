package httpc

import (
	"context"
	"net/http"
	"strings"
)

// Auth is an authentication method: [Basic], [Bearer], [TokenSource], [Digest], or your own. It must be safe for
// concurrent use.
type Auth interface {
	// Authorize adds credentials to a request without an Authorization field. It may modify r.
	Authorize(r *http.Request) error
}

// Challenged is an Auth that handles challenges.
type Challenged interface {
	Auth

	// Challenge is called with a response of status 401, and reports whether to send the request again. It must not
	// read the body of resp.
	Challenge(r *http.Request, resp *http.Response) (again bool, err error)
}

// authFunc adapts a function to Auth.
type authFunc func(r *http.Request) error

func (f authFunc) Authorize(r *http.Request) error { return f(r) }

// Basic authenticates with a user name and a password, which are sent with every request (RFC 7617). A user name must
// not contain a colon.
func Basic(user, password string) Auth {
	return authFunc(func(r *http.Request) error {
		if strings.Contains(user, ":") {
			return invalid("a user with a colon cannot be sent in Basic authentication (RFC 7617)")
		}
		r.SetBasicAuth(user, password)
		return nil
	})
}

// Bearer authenticates with a token (RFC 6750).
func Bearer(token string) Auth {
	return TokenSource(func(context.Context) (string, error) { return token, nil })
}

// TokenSource is [Bearer] with a token requested for each request, for example from golang.org/x/oauth2:
//
//	httpc.TokenSource(func(context.Context) (string, error) {
//		t, err := source.Token()
//		if err != nil {
//			return "", err
//		}
//		return t.AccessToken, nil
//	})
func TokenSource(token func(ctx context.Context) (string, error)) Auth {
	return authFunc(func(r *http.Request) error {
		t, err := token(r.Context())
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+t)
		return nil
	})
}
