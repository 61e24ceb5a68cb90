package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/mojotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAllPagesReceive(t *testing.T) {
	site := mojotest.NewServer(t, nil, handler())
	first := site.Dial(t, "/ChatSocket", nil)
	second := site.Dial(t, "/ChatSocket", &mojotest.DialOptions{Transport: mojotest.Polling})
	first.Emit("say", "Hello")
	first.Expect("said", "Hello")
	second.Expect("said", "Hello")

	require.Equal(t, http.StatusOK, site.NewBrowser(t).Post("/ring", nil).Status)
	first.Expect("said", "Somebody rings the bell.")
	second.Expect("said", "Somebody rings the bell.")
}

func TestPage(t *testing.T) {
	page := mojotest.NewServer(t, nil, handler()).NewBrowser(t).Get("/")
	require.Contains(t, page.Body, `io("/ChatSocket")`)
	require.Contains(t, page.Header.Get("Content-Type"), "text/html")
}
