// Package jarctx tells what is below an HTTP client whether the client gives the cookies of a response to a jar. A cache has
// to know: a jar would take a stored Set-Cookie field for a new one.
package jarctx

import "context"

type key struct{}

// With returns a context for a request whose response goes to a cookie jar.
func With(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, true) }

// In reports whether ctx is one of With.
func In(ctx context.Context) bool { return ctx.Value(key{}) != nil }
