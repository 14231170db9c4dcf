package clients

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

// manyErrors cannot be compared.
type manyErrors []error

func (m manyErrors) Error() string   { return errors.Join(m...).Error() }
func (m manyErrors) Unwrap() []error { return m }

func TestErrorOfASentRequestCanBeCompared(t *testing.T) {
	t.Parallel()
	cause := errors.New("refused")
	err := sent(manyErrors{ErrNotSent, cause})
	assert.True(t, errors.Is(err, err))
	assert.ErrorIs(t, err, cause)
	assert.NotErrorIs(t, err, ErrNotSent)
}
