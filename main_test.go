package mojo

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	askTime = 5 * time.Second
	goleak.VerifyTestMain(m)
}
