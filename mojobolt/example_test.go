package mojobolt_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojobolt"
	"github.com/mojosocket/mojo/mojotest"
)

// A cookie that was revoked is refused after a restart, too.
func Example() {
	dir, err := os.MkdirTemp("", "site")
	check(err)
	defer os.RemoveAll(dir)
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	check(err)
	run := func(visit func(srv *mojo.Server, site *mojotest.Server)) {
		revoked, err := mojobolt.Open(filepath.Join(dir, "revoked.db"))
		check(err)
		defer revoked.Close()
		srv, err := mojo.New(mojo.Options{Cookies: cookies, Ledger: revoked})
		check(err)
		site := mojotest.NewServer(nil, srv, nil)
		defer site.Close()
		visit(srv, site)
	}

	var browser *mojotest.Browser
	run(func(srv *mojo.Server, site *mojotest.Server) {
		browser = site.NewBrowser(nil)
		browser.LogIn("ada")
		fmt.Println(browser.Identity().UserID)
		check(srv.LoggedInSessions().Get("ada").Revoke(context.Background(), mojo.Revocation{}))
	})
	run(func(srv *mojo.Server, site *mojotest.Server) { // the next process
		again := site.NewBrowser(nil)
		again.SetCookies(browser.Cookies()...)
		fmt.Printf("%q\n", again.Identity().UserID)
	})
	// Output:
	// ada
	// ""
}

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}
