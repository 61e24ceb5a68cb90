package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/mojotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEverybodyHears(t *testing.T) {
	site := mojotest.NewServer(t, nil, handler())
	one := site.Dial(t, "/ChatSocket", nil)
	two := site.Dial(t, "/ChatSocket", &mojotest.DialOptions{Transport: mojotest.Polling})
	one.Emit("say", "Hello")
	one.Expect("said", "Hello")
	two.Expect("said", "Hello")

	require.Equal(t, http.StatusOK, site.NewBrowser(t).Post("/ring", nil).Status)
	one.Expect("said", "Somebody rings the bell.")
	two.Expect("said", "Somebody rings the bell.")
}

func TestPage(t *testing.T) {
	page := mojotest.NewServer(t, nil, handler()).NewBrowser(t).Get("/")
	require.Contains(t, page.Body, `io("/ChatSocket")`)
	require.Contains(t, page.Header.Get("Content-Type"), "text/html")
}
