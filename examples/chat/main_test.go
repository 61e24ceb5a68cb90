package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/examples/chat/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func folderWithClient(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, client.FileName), []byte("io"), 0o644))
	return folder
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, run(ctx, "127.0.0.1:0", folderWithClient(t)))
}

func TestRunReturnsErrors(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), "127.0.0.1:0", t.TempDir()), "want a folder with socket.io.min.js in it")
	require.ErrorContains(t, run(t.Context(), "nowhere", folderWithClient(t)), "nowhere")
}
