package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" { // a server that a test has started
		main()
		return
	}
	goleak.VerifyTestMain(m)
}
