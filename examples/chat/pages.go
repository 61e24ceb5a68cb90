package main

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
)

//go:embed web
var web embed.FS

var templates = template.Must(template.ParseFS(web, "web/*.html"))

// indexPage is what index.html shows. Everything else on it comes over the sockets.
type indexPage struct {
	Client  client
	Name    string // of who is logged in, "" if nobody is
	Tried   string // the name that the login form refused
	Problem string // why
}

func (s *site) index(w http.ResponseWriter, r *http.Request) {
	s.showIndex(w, http.StatusOK, indexPage{Name: s.sockets.Identity(r).UserID})
}

func (s *site) showIndex(w http.ResponseWriter, code int, page indexPage) {
	page.Client = s.client
	show(w, code, "index.html", page)
}

// show renders a template. Its content depends on the visitor, so it is not cached.
func show(w http.ResponseWriter, code int, name string, page any) {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, page); err != nil {
		slog.Error("cannot render a page", "template", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = body.WriteTo(w) // an error is the browser's that has gone
}

// staticFiles serves web/static under /static/.
func staticFiles() http.Handler {
	files, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // the path is not valid, which it is
	}
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		serve.ServeHTTP(w, r)
	})
}

// headers has browsers run only the site's own scripts, and the client of the CDN if
// the page uses that. 'self' covers the WebSocket too.
func (s *site) headers(next http.Handler) http.Handler {
	policy := "default-src 'none'; script-src 'self'" + s.client.scriptSource() +
		"; style-src 'self'; img-src 'self'; connect-src 'self'" +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
