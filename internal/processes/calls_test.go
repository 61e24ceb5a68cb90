package processes

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/mojoredis"
)

// Node has the methods that a test calls.
type Node struct{ *child }

// Nothing is the argument or the result of a call that has none.
type Nothing struct{}

// About is what a test needs to know of a node.
type About struct{ Address, Name string }

// About returns what the test needs to know.
func (n *Node) About(_ Nothing, about *About) error {
	*about = About{n.address, n.Nodes()[0].Name}
	return nil
}

// View is what a node knows.
type View struct {
	Nodes    []mojo.Node
	Stats    mojo.Stats
	Bus      mojoredis.Stats
	Health   int    // the status of the health handler's answer
	Status   string // its body
	Sessions []string
	Users    []string
	Conns    map[string]int // connections of each user
	At       time.Time
}

// Look returns what the node knows.
func (n *Node) Look(_ Nothing, view *View) error {
	w := httptest.NewRecorder()
	n.Health().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health", nil))
	*view = View{
		Nodes: n.Nodes(), Stats: n.Stats(), Bus: n.bus.Stats(), Health: w.Code, Status: w.Body.String(), At: time.Now(),
		Sessions: idsOf(n.CurrentSessions()), Users: idsOf(n.LoggedInSessions()), Conns: make(map[string]int),
	}
	for user := range n.LoggedInSessions().All() {
		view.Conns[user.ID()] = user.Len()
	}
	return nil
}

// Heap returns how many bytes are in use after a garbage collection.
func (n *Node) Heap(_ Nothing, bytes *uint64) error {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	*bytes = m.HeapAlloc
	return nil
}

// Count returns the number of sessions.
func (n *Node) Count(_ Nothing, sessions *int) error {
	*sessions = n.CurrentSessions().Len()
	return nil
}

func idsOf(s mojo.Sessions) (ids []string) {
	for session := range s.All() {
		ids = append(ids, session.ID())
	}
	slices.Sort(ids)
	return ids
}

// Edges returns the calls of OnPresence since the last call of Edges.
func (n *Node) Edges(_ Nothing, edges *[]Edge) error {
	*edges = n.app.takeEdges()
	return nil
}

// Outcome is an error of mojo that can be sent.
type Outcome struct {
	Text        string // empty: no error
	Down        bool   // it is ErrClusterDown
	Unconfirmed []string
	Late        bool // it is an UnconfirmedError
}

func outcomeOf(err error) (o Outcome) {
	if err == nil {
		return o
	}
	o.Text, o.Down = err.Error(), errors.Is(err, mojo.ErrClusterDown)
	if late, ok := errors.AsType[*mojo.UnconfirmedError](err); ok {
		o.Late, o.Unconfirmed = true, late.Nodes
	}
	return o
}

// err returns the error.
func (o Outcome) err() error {
	switch {
	case o.Text == "":
		return nil
	case o.Late:
		return &mojo.UnconfirmedError{Nodes: o.Unconfirmed}
	case o.Down:
		return mojo.ErrClusterDown
	}
	return errors.New(o.Text)
}

// Emission is some events, whose argument counts up. They go to users, to all
// users, to a session or to the channel.
type Emission struct {
	Event   string
	Users   []string
	AnyUser bool
	Session string
	First   int  // the argument of the first event
	Count   int  // 0: one event
	Mixed   bool // only those with an odd argument go to the users, the others to the channel
}

// Emitted is the result of Emit.
type Emitted struct {
	Outcome     // of the last event that has failed
	Failed  int // events
}

// Emit emits events.
func (n *Node) Emit(e Emission, result *Emitted) error {
	emit := n.chat.Emit
	switch {
	case e.Session != "":
		emit = n.CurrentSessions().Get(e.Session).Emit
	case e.AnyUser:
		emit = n.LoggedInSessions().Emit
	case len(e.Users) == 1:
		emit = n.LoggedInSessions().Get(e.Users[0]).Emit
	case len(e.Users) > 1:
		emit = n.chat.LoggedInSessions().Of(e.Users...).Emit
	}
	for i := e.First; i < e.First+max(e.Count, 1); i++ {
		emitOne := emit
		if e.Mixed && i%2 == 0 {
			emitOne = n.chat.Emit
		}
		if err := emitOne(e.Event, i); err != nil {
			result.Outcome = outcomeOf(err)
			result.Failed++
		}
	}
	return nil
}

// Change is a request of a browser that changes its identity.
type Change struct {
	Cookie  string        // of the request
	User    string        // empty: log out
	Rebind  string        // the id of the new session; empty: LogIn or LogOut, with an id of its own
	From    string        // the session, for Rebind
	Patient time.Duration // 0: the call has no time limit of its own
}

// Changed is the result of Change.
type Changed struct {
	Outcome
	Cookie  string // of the browser's next requests
	Session string
}

// Change logs a browser in or out.
func (n *Node) Change(c Change, result *Changed) error {
	ctx := context.Background()
	if c.Patient > 0 {
		limited, cancel := context.WithTimeout(ctx, c.Patient)
		defer cancel()
		ctx = limited
	}
	w := httptest.NewRecorder()
	page := cookietest.Request(c.Cookie).WithContext(ctx)
	var err error
	switch {
	case c.Rebind != "":
		if err := errors.Join(n.cookies.SetSession(w, c.Rebind), n.cookies.SetLogin(w, c.User)); err != nil {
			return err
		}
		err = n.Rebind(ctx, c.From, mojo.Identity{SessionID: c.Rebind, UserID: c.User})
	case c.User == "":
		err = n.LogOut(w, page)
	default:
		err = n.LogIn(w, page, c.User)
	}
	next := cookietest.NextRequest(w)
	id, idErr := n.cookies.Identify(next)
	if idErr != nil {
		return idErr
	}
	*result = Changed{outcomeOf(err), next.Header.Get("Cookie"), id.SessionID}
	return nil
}

// Target is a session or, if that is empty, a user.
type Target struct {
	Session, User string
	Patient       time.Duration // see Change
}

// Revoke revokes a session, or the sessions of a user.
func (n *Node) Revoke(target Target, result *Outcome) error {
	ctx := context.Background()
	if target.Patient > 0 {
		limited, cancel := context.WithTimeout(ctx, target.Patient)
		defer cancel()
		ctx = limited
	}
	sessions := n.LoggedInSessions().Get(target.User)
	if target.Session != "" {
		sessions = n.CurrentSessions().Get(target.Session)
	}
	*result = outcomeOf(sessions.Revoke(ctx, mojo.Revocation{}))
	return nil
}

// AwaitSession waits until a session is known, and returns the time.
func (n *Node) AwaitSession(session string, known *time.Time) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); !n.CurrentSessions().Has(session); <-ticker.C {
		if time.Now().After(deadline) {
			return errors.New("the session is not known")
		}
	}
	*known = time.Now()
	return nil
}

// AcceptedAt returns when OnConnect was called for a session.
func (n *Node) AcceptedAt(session string, at *time.Time) error {
	*at = n.app.acceptedAt(session)
	return nil
}

// IdentityOf returns the identity of a connection, zero if it is not connected.
func (n *Node) IdentityOf(id string, identity *mojo.Identity) error {
	if c, found := n.chat.Conn(id); found {
		*identity = c.Identity()
	}
	return nil
}
