package interop_test

import (
	"testing"

	"github.com/mojosocket/mojo/internal/nodetest"
)

// requireNode returns the path of node, or skips the test.
func requireNode(t *testing.T) string {
	t.Helper()
	return nodetest.Require(t)
}

// nodeModules installs the packages of package-lock.json and returns the
// absolute path of node_modules, or skips the test.
func nodeModules(t *testing.T) string {
	t.Helper()
	return nodetest.Install(t, ".")
}
