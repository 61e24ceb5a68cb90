package code

import (
	// Only the code in the pages uses these packages.
	_ "github.com/alexedwards/scs/v2"
	_ "github.com/gorilla/securecookie"
	_ "github.com/gorilla/sessions"
	_ "github.com/mojosocket/mojo/mojobolt"
	_ "github.com/mojosocket/mojo/mojonats"
	_ "github.com/mojosocket/mojo/mojoprom"
	_ "github.com/mojosocket/mojo/mojoredis"
	_ "github.com/mojosocket/mojo/mojotest"
	_ "github.com/nats-io/nats.go"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/redis/go-redis/v9"
)

// imports has the packages that the code may use without an import, by name.
var imports = map[string]string{
	"adaptor":        "github.com/gofiber/fiber/v3/middleware/adaptor",
	"chi":            "github.com/go-chi/chi/v5",
	"context":        "context",
	"csrf":           "github.com/gorilla/csrf",
	"echo":           "github.com/labstack/echo/v5",
	"echomiddleware": "github.com/labstack/echo/v5/middleware",
	"errors":         "errors",
	"fiber":          "github.com/gofiber/fiber/v3",
	"fmt":            "fmt",
	"gin":            "github.com/gin-gonic/gin",
	"http":           "net/http",
	"json":           "encoding/json",
	"log":            "log",
	"middleware":     "github.com/go-chi/chi/v5/middleware",
	"mojo":           "github.com/mojosocket/mojo",
	"mojobolt":       "github.com/mojosocket/mojo/mojobolt",
	"mojonats":       "github.com/mojosocket/mojo/mojonats",
	"mojoprom":       "github.com/mojosocket/mojo/mojoprom",
	"mojoredis":      "github.com/mojosocket/mojo/mojoredis",
	"mojotest":       "github.com/mojosocket/mojo/mojotest",
	"nats":           "github.com/nats-io/nats.go",
	"os":             "os",
	"prometheus":     "github.com/prometheus/client_golang/prometheus",
	"redis":          "github.com/redis/go-redis/v9",
	"scs":            "github.com/alexedwards/scs/v2",
	"securecookie":   "github.com/gorilla/securecookie",
	"sessions":       "github.com/gorilla/sessions",
	"synctest":       "testing/synctest",
	"testing":        "testing",
	"tls":            "crypto/tls",
	"time":           "time",
}

// declarations has declarations of the names that the code may use without
// declaring them.
var declarations = map[string]string{
	"Handler":      "type Handler struct{}",
	"Say":          "type Say struct{ Room, Text string }",
	"client":       "var client redis.UniversalClient",
	"cookieSecret": "var cookieSecret string",
	"cookies":      "var cookies *mojo.Cookies",
	"csrfKey":      "var csrfKey []byte",
	"ctx":          "var ctx context.Context",
	"expires":      "var expires time.Time",
	"hash":         "func hash(token string) string",
	"httpServer":   "var httpServer *http.Server",
	"joined":       "func joined(srv *mojo.Server) http.HandlerFunc",
	"key":          "var key mojo.Key",
	"mux":          "var mux *http.ServeMux",
	"newChat":      "func newChat() *mojo.Events",
	"newID":        "var newID string",
	"newSite":      "func newSite(key mojo.Key) (*mojo.Server, http.Handler, error)",
	"oldID":        "var oldID string",
	"pages":        "var pages http.Handler",
	"r":            "var r *http.Request",
	"router":       "var router http.Handler",
	"sessionID":    "var sessionID string",
	"srv":          "var srv *mojo.Server",
	"userID":       "var userID string",
	"users":        "var users interface{ Active(ctx context.Context, id string) (bool, error) }",
	"w":            "var w http.ResponseWriter",
}
