package cache

import (
	"testing"

	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }
