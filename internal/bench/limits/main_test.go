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
		fmt.Println("skipped: the times are not valid under the race detector")
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
