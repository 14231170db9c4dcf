package suite

import (
	"context"
	"errors"
)

// Skipped is a contender that cannot be measured here, with the reason.
func Skipped(name, why string) Contender {
	return Contender{Name: name, Start: func(context.Context) (Measure, error) {
		return nil, errors.New("skipped: " + why)
	}}
}
