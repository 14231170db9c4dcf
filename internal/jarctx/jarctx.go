// Package jarctx tells the layers below an HTTP client whether the cookies of a response go to a jar. A cache must know
// this, because a jar would take a stored Set-Cookie field for a new one.
package jarctx

import "context"

type key struct{}

// With returns a context for a request whose response goes to a cookie jar.
func With(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, true) }

// In reports whether ctx was made by With.
func In(ctx context.Context) bool { return ctx.Value(key{}) != nil }
