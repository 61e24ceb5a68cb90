package faults

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCrowd runs the clients of other tests, in a process that they start.
func TestCrowd(t *testing.T) { crowd.Run(t) }
