package limits

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if raceEnabled {
		fmt.Println("times mean nothing under the race detector: nothing is tested")
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
