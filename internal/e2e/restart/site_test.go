package restart

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/ledger"
	"github.com/mojosocket/mojo/mojotest"
)

// site is a site of one or two Servers that share a ledger.
type site struct {
	opts    mojo.Options
	two     bool // Servers of a cluster
	servers []*server
}

// server is one process of a site.
type server struct {
	*mojo.Server
	chat     *mojo.Channel
	accepted chan *mojo.Conn
	test     *mojotest.Server
}

// start starts the Servers of a site.
func (s *site) start(t *testing.T) {
	t.Helper()
	n, opts := 1, s.opts
	if s.two {
		n, opts.Cluster = 2, cluster.NewMemory()
	}
	s.servers = nil
	for range n {
		app := e2e.NewApp()
		p := &server{accepted: app.Accepted, Server: e2e.NewServer(t, opts)}
		p.chat = e2e.Register(t, p.Server, "Chat", app)
		p.test = mojotest.NewServer(t, p.Server, nil)
		s.servers = append(s.servers, p)
	}
	if s.two {
		time.Sleep(3 * time.Second) // until they have found each other
	}
}

// restart ends all Servers, waits, and starts others.
func (s *site) restart(t *testing.T, after time.Duration) {
	t.Helper()
	for _, p := range s.servers {
		p.test.Close()
	}
	time.Sleep(after)
	s.start(t)
}

// first is the process that people log in and out on, and last is the one that
// has their connections: the same without a cluster.
func (s *site) first() *server { return s.servers[0] }
func (s *site) last() *server  { return s.servers[len(s.servers)-1] }

// each runs a test in virtual time for one process, and for two.
func each(t *testing.T, opts mojo.Options, test func(t *testing.T, s *site)) {
	t.Helper()
	for name, two := range map[string]bool{"one process": false, "two processes": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{opts: opts, two: two}
				s.opts.Cookies = e2e.NewCookies(t, mojo.CookieOptions{})
				if opts.Ledger == nil {
					s.opts.Ledger = ledger.NewMemory()
				}
				s.start(t)
				test(t, s)
			})
		})
	}
}

// cookies are those of a browser at one time.
type cookies []*http.Cookie

// visit is what somebody with cookies is for a process.
type visit struct {
	refused       bool // a handshake
	session, user bool // of its connection
	page          string
}

// visit connects a new browser that has these cookies, and makes a request.
func (p *server) visit(t *testing.T, c cookies) (v visit) {
	t.Helper()
	var header []string
	for _, cookie := range c {
		header = append(header, cookie.Name+"="+cookie.Value)
	}
	v.page = p.Identity(cookietest.Request(header...)).UserID
	browser := p.test.NewBrowser(t)
	browser.SetCookies(c...)
	for len(p.accepted) > 0 { // earlier connections
		<-p.accepted
	}
	socket, err := browser.TryDial(e2e.ChatNamespace, nil)
	if err != nil {
		v.refused = true
		return v
	}
	conn := e2e.Await(t, p.accepted)
	v.session, v.user = conn.SessionID() != "", conn.UserID() != ""
	socket.Tab().Close()
	synctest.Wait()
	return v
}

// requireVisits requires what cookies are for each process, then restarts all,
// and requires the same again.
func (s *site) requireVisits(t *testing.T, want map[string]visit, have map[string]cookies) {
	t.Helper()
	for _, when := range []string{"before", "after the restart", "after another restart", "an hour later"} {
		switch when {
		case "before":
		case "an hour later": // the cookies have expired
			s.restart(t, e2e.MaxAge+time.Minute)
			for name, c := range have {
				require.Equal(t, visit{}, s.last().visit(t, c), "%s, %s", name, when)
			}
			continue
		default:
			s.restart(t, 0)
		}
		for i, p := range s.servers {
			for name, want := range want {
				require.Equal(t, want, p.visit(t, have[name]), "%s, %s, process %d", name, when, i)
			}
		}
	}
}
