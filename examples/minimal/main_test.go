package main

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEverybodyHears(t *testing.T) {
	site := siotest.Serve(t, siotest.TCP, handler())
	one := siotest.Dial(t, site, siotest.Options{Transport: "upgrade"}).Connect("/ChatSocket", nil)
	two := siotest.Dial(t, site, siotest.Options{}).Connect("/ChatSocket", nil)
	one.Emit("say", "Hello")
	one.Expect("said", "Hello")
	two.Expect("said", "Hello")

	res, err := site.Client().Post(site.URL+"/ring", "", nil)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	one.Expect("said", "Somebody rings the bell.")
	two.Expect("said", "Somebody rings the bell.")
}

func TestPage(t *testing.T) {
	site := siotest.Serve(t, siotest.TCP, handler())
	res, err := site.Client().Get(site.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `io("/ChatSocket")`)
	require.Contains(t, res.Header.Get("Content-Type"), "text/html")
}
