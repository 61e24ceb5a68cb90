package restart

import (
	"testing"

	"github.com/mojosocket/mojo/internal/e2e"
)

func TestMain(m *testing.M) { e2e.Main(m) }
