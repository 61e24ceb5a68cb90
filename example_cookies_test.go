package mojo_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/mojosocket/mojo"
)

func ExampleCookieOptions() {
	key := mojo.NewKey() // made once, and kept with the site's other secrets

	cookies, err := mojo.NewCookies(mojo.CookieOptions{
		Keys:     []mojo.Key{key},
		Insecure: true, // development, over plain HTTP
	})
	if err != nil {
		log.Fatal(err)
	}

	w := httptest.NewRecorder()
	if err := cookies.SetSession(w, "7c9e6679-7425-40de-944b-e07fc1f90ae7"); err != nil {
		log.Fatal(err)
	}
	cookie := w.Result().Cookies()[0]
	fmt.Println(cookie.Name, cookie.Path, cookie.MaxAge, cookie.HttpOnly, cookie.Secure)

	_, err = mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{{Hash: key.Hash, Block: key.Block[:20]}}})
	fmt.Println(err)
	// Output:
	// session_id / 2592000 true false
	// mojo: CookieOptions.Keys[0].Block has 20 bytes; want 16, 24 or 32
}

// A new key is put first. The old key stays in the list until the cookies that
// it signed have expired.
func ExampleNewCookies_rotation() {
	oldKey, newKey := mojo.NewKey(), mojo.NewKey()
	before, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{oldKey}})
	if err != nil {
		log.Fatal(err)
	}
	during, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{newKey, oldKey}})
	if err != nil {
		log.Fatal(err)
	}
	after, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{newKey}})
	if err != nil {
		log.Fatal(err)
	}

	w := httptest.NewRecorder()
	if err := before.SetLogin(w, "user-42"); err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(w.Result().Cookies()[0])

	for _, cookies := range []*mojo.Cookies{before, during, after} {
		identity, err := cookies.Identify(r)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q\n", identity.UserID)
	}
	// Output:
	// "user-42"
	// "user-42"
	// ""
}

// A site's own login form sets the cookies, and any other handler reads them.
func ExampleCookies() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// Check the password first. Then:
		if err := cookies.SetSession(w, "a-new-random-session-id"); err != nil {
			http.Error(w, "cannot log in", http.StatusInternalServerError)
			return
		}
		if err := cookies.SetLogin(w, "user-42"); err != nil {
			http.Error(w, "cannot log in", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		identity, err := cookies.Identify(r)
		if err != nil || identity.UserID == "" {
			fmt.Fprintln(w, "Who are you?")
			return
		}
		fmt.Fprintf(w, "Hello, %s of %s.\n", identity.UserID, identity.SessionID)
	})

	login, page := httptest.NewRecorder(), httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	mux.ServeHTTP(page, r)
	fmt.Print(page.Body)

	mux.ServeHTTP(login, httptest.NewRequest(http.MethodPost, "/login", nil))
	for _, cookie := range login.Result().Cookies() {
		r.AddCookie(cookie)
	}
	page = httptest.NewRecorder()
	mux.ServeHTTP(page, r)
	fmt.Print(page.Body)
	// Output:
	// Who are you?
	// Hello, user-42 of a-new-random-session-id.
}

func ExampleCookies_Identify() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := cookies.SetSession(w, "s-1"); err != nil {
		log.Fatal(err)
	}
	if err := cookies.SetLogin(w, "user-42"); err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, cookie := range w.Result().Cookies() {
		if cookie.Name == "logged_in" {
			cookie.Value += "x" // an attacker changes the cookie
		}
		r.AddCookie(cookie)
	}

	identity, err := cookies.Identify(r)
	fmt.Printf("%q %q %v\n", identity.SessionID, identity.UserID, err)
	// Output: "s-1" "" <nil>
}

// An empty user id removes the cookie.
func ExampleCookies_SetLogin_logOut() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := cookies.SetLogin(w, ""); err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.Header().Get("Set-Cookie"))
	// Output: logged_in=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax
}

func ExampleKey() {
	fmt.Println(mojo.NewKey())
	// Output: mojo.Key(redacted)
}

// A Go service beside a Python site on Tornado reads the cookies that the site
// has set.
func ExampleTornadoCookies() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{
		Keys:    []mojo.Key{mojo.NewKey()},
		MaxAge:  60 * 365 * 24 * time.Hour, // the cookie below was written in 2011
		Tornado: &mojo.TornadoCookies{Secrets: map[int]string{7: "mojo-test-secret-0123456789abcdef"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	// In Python: self.set_secure_cookie("logged_in", "user-42")
	r.Header.Set("Cookie", `logged_in="2|1:7|10:1300000000|9:logged_in|12:dXNlci00Mg==|`+
		`f0a95c0ceabc2d04ffe9cf972c8e3679ffbd6b5aa265542fd87f39198fddcadc"`)

	identity, err := cookies.Identify(r)
	fmt.Printf("%q %v\n", identity.UserID, err)
	// Output: "user-42" <nil>
}
