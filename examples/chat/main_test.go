package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, run(ctx, "127.0.0.1:0", clientFolder(t)))
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), "127.0.0.1:0", t.TempDir()), "want a folder with socket.io.min.js in it")
	require.ErrorContains(t, run(t.Context(), "nowhere", clientFolder(t)), "nowhere")
}
