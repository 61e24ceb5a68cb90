package limits

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/race"
)

func TestMain(m *testing.M) {
	if race.Enabled {
		fmt.Println("times mean nothing under the race detector: nothing is tested")
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
