package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/e2e/history"
	"github.com/mojosocket/mojo/internal/siotest"
)

// historyRun is a cluster, and browsers that use it.
type historyRun struct {
	*history.Recorder
	t          *testing.T
	ctx        context.Context // ends with the run
	stop       context.CancelFunc
	background sync.WaitGroup // clients
	bus        *cluster.Memory
	cookies    *mojo.Cookies
	store      *sessionStore // nil: the site has Cookies

	lists    sync.Mutex
	nodes    []*node
	browsers []*historyBrowser
	emitted  map[int]*history.Emission
}

func newHistoryRun(t *testing.T, withStore bool) *historyRun {
	r := &historyRun{
		t: t, bus: cluster.NewMemory(), emitted: make(map[int]*history.Emission),
		Recorder: history.NewRecorder(!withStore),
		cookies:  e2e.NewCookies(t, mojo.CookieOptions{}),
	}
	r.ctx, r.stop = context.WithCancel(t.Context())
	if withStore {
		r.store = &sessionStore{users: make(map[string]string)}
	}
	return r
}

// startNode starts one more node.
func (r *historyRun) startNode() {
	r.lists.Lock()
	number := len(r.nodes)
	r.lists.Unlock()
	options := mojo.Options{Cluster: r.bus, Logger: slog.New(&stateLog{recorder: r.Recorder, node: number})}
	if r.store == nil {
		options.Cookies = r.cookies
	} else {
		options.Identify, options.ClusterKey = r.store.identify, make([]byte, 32)
	}
	n := &node{Server: e2e.NewServer(r.t, options)}
	n.chat = e2e.Register(r.t, n.Server, "Chat", historyApp{})
	n.site = siotest.Serve(r.t, siotest.Memory, n.Server)
	n.site.Limit = 5 * time.Minute
	r.lists.Lock()
	defer r.lists.Unlock()
	r.nodes = append(r.nodes, n)
}

func (r *historyRun) node(number int) *node {
	r.lists.Lock()
	defer r.lists.Unlock()
	return r.nodes[number]
}

func (r *historyRun) emission(id int) *history.Emission {
	r.lists.Lock()
	defer r.lists.Unlock()
	return r.emitted[id]
}

// newBrowser returns a browser with a session.
func (r *historyRun) newBrowser(careless bool) *historyBrowser {
	r.lists.Lock()
	defer r.lists.Unlock()
	b := &historyBrowser{
		id: len(r.browsers), careless: careless, busy: make(chan struct{}, 1),
		clients: make(map[*historyClient]bool), engines: make(map[*siotest.Engine]bool),
	}
	session := history.FirstSession(b.id)
	b.passes = []pass{{session, e2e.CookieHeader(e2e.SessionCookie(session))}}
	if r.store != nil {
		r.store.set(session, "")
		b.passes[0].header = http.Header{"X-Session": {session}}
	}
	r.browsers = append(r.browsers, b)
	return b
}

// visit says how a client connects.
type visit struct {
	node       int
	transport  string
	pass       pass
	follows    bool
	slow       bool
	proofDelay time.Duration
}

// connect connects a client of a browser.
func (r *historyRun) connect(b *historyBrowser, v visit) {
	options := siotest.Options{Transport: v.transport, Header: v.pass.header, T: r.t}
	if v.slow {
		options.Query = map[string][]string{"slow": {""}}
	}
	ctx, cancel := context.WithTimeout(r.ctx, 20*time.Second)
	defer cancel()
	l := &history.Link{ID: r.NextID(), Browser: b.id, Node: v.node, Session: v.pass.session, Follows: v.follows}
	client, err := siotest.TryDial(ctx, r.node(v.node).site, options)
	l.Opened = r.Stamp()
	if err != nil {
		var refusal *siotest.HTTPError
		if errors.As(err, &refusal) && (refusal.Status == http.StatusForbidden || r.store != nil) && v.pass.session == b.current().session {
			b.mu.Lock()
			b.gone = true
			b.mu.Unlock()
		}
		return
	}
	if v.follows {
		b.follow(client.Engine)
	}
	client.SendConnect(e2e.ChatNamespace, nil)
	socket, err := client.TryAwaitConnect(ctx, e2e.ChatNamespace)
	if err != nil {
		client.Engine.Drop()
		return
	}
	c := &historyClient{run: r, browser: b, link: l, client: client, socket: socket}
	b.mu.Lock()
	b.clients[c] = true
	b.mu.Unlock()
	r.background.Go(func() { c.read(v.proofDelay) })
}

// disconnect closes a client.
func (r *historyRun) disconnect(c *historyClient) {
	c.browser.mu.Lock()
	delete(c.browser.clients, c)
	delete(c.browser.engines, c.client.Engine)
	c.browser.mu.Unlock()
	c.client.Engine.Drop()
}

// request is a request that changes the identity of a browser.
type request struct {
	node    int
	user    string
	rebind  bool // Rebind instead of LogIn and LogOut
	inPlace bool
	pass    pass
	patient time.Duration // 0: the call has no time limit of its own
	names   string        // the socket.id of a connection; may be empty
}

// send sends a request and gives the browser the answer.
func (r *historyRun) send(b *historyBrowser, q request) (ok bool) {
	n := r.node(q.node)
	ctx := r.ctx
	if q.patient > 0 {
		limited, cancel := context.WithTimeout(ctx, q.patient)
		defer cancel()
		ctx = limited
	}
	c := &history.Call{Kind: history.Change, Browser: b.id, Node: q.node, From: q.pass.session, User: q.user}
	var answer pass
	if r.store == nil && !q.rebind {
		r.Begin(c)
		w := httptest.NewRecorder()
		page := q.pass.request().WithContext(ctx)
		if q.names != "" {
			page.Header.Set(mojo.SocketIDHeader, q.names)
		}
		var err error
		if q.user == "" {
			err = n.LogOut(w, page)
		} else {
			err = n.LogIn(w, page, q.user)
		}
		next := cookietest.NextRequest(w)
		id, _ := r.cookies.Identify(next) // no error: the cookies are valid or not there
		answer = pass{id.SessionID, next.Header}
		c.To = id.SessionID
		r.End(r.t, c, err)
	} else {
		answer = r.rebind(ctx, n, c, q)
	}
	if !q.inPlace {
		b.take(answer)
	}
	if c.OK {
		for i, client := range b.all() {
			if i%2 == 0 {
				client.echo()
			}
		}
	}
	return c.OK
}

// rebind is send for Rebind.
func (r *historyRun) rebind(ctx context.Context, n *node, c *history.Call, q request) pass {
	c.To = q.pass.session
	if !q.inPlace {
		c.To = fmt.Sprintf("%s.%d", history.FirstSession(c.Browser), r.NextID())
	}
	r.Begin(c)
	var answer pass
	if r.store != nil {
		r.store.set(c.To, q.user)
		answer = pass{c.To, http.Header{"X-Session": {c.To}}}
	} else {
		w := httptest.NewRecorder()
		if err := errors.Join(r.cookies.SetSession(w, c.To), r.cookies.SetLogin(w, q.user)); err != nil {
			r.t.Error(err)
		}
		answer = pass{c.To, cookietest.NextRequest(w).Header}
	}
	err := n.Rebind(ctx, c.From, mojo.Identity{SessionID: c.To, UserID: q.user})
	r.End(r.t, c, err)
	return answer
}

// revoke revokes a user or, if session is set, a session of a browser.
func (r *historyRun) revoke(node int, user, session string, patient time.Duration) {
	n := r.node(node)
	ctx := r.ctx
	if patient > 0 {
		limited, cancel := context.WithTimeout(ctx, patient)
		defer cancel()
		ctx = limited
	}
	c := &history.Call{Kind: history.RevokeUser, Browser: -1, Node: node, User: user, From: session}
	target := n.LoggedInSessions().Get(user)
	if session != "" {
		c.Kind, target = history.RevokeSession, n.CurrentSessions().Get(session)
	}
	r.Begin(c)
	if r.store != nil {
		r.store.revoke(session, user)
	}
	r.End(r.t, c, target.Revoke(ctx, mojo.Revocation{}))
}

// emit emits an event.
func (r *historyRun) emit(e *history.Emission, slow bool) {
	e.ID = r.NextID()
	r.lists.Lock()
	r.emitted[e.ID] = e
	e.Begin = r.Stamp()
	r.lists.Unlock()
	e.Away = r.IsAway(e.Node, e.Begin)
	name := "event"
	if slow {
		name = slowEvent
	}
	n := r.node(e.Node)
	var err error
	switch {
	case e.Session != "":
		err = n.CurrentSessions().Get(e.Session).Emit(name, e.ID)
	case e.AnyUser:
		err = n.LoggedInSessions().Emit(name, e.ID)
	case len(e.Users) == 1:
		err = n.LoggedInSessions().Get(e.Users[0]).Emit(name, e.ID)
	default:
		err = n.chat.LoggedInSessions().Of(e.Users...).Emit(name, e.ID)
	}
	if err != nil && !errors.Is(err, mojo.ErrClusterDown) {
		r.t.Error(err)
	}
}

// close ends all clients.
func (r *historyRun) close() {
	for _, b := range r.browsers {
		for _, c := range b.all() {
			r.disconnect(c)
		}
	}
	r.stop()
	r.background.Wait()
}
