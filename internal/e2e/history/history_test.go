package history

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at returns a moment whose time follows its stamp.
func at(stamp int) Moment { return Moment{stamp, time.Duration(stamp) * time.Millisecond} }

func changed(from, to, user string, begin, end int, ok bool) *Call {
	return &Call{Kind: Change, From: from, To: to, User: user, Begin: at(begin), End: at(end), OK: ok}
}

func revoked(kind Kind, session, user string, begin, end int) *Call {
	return &Call{Kind: kind, Browser: 9, From: session, User: user, Begin: at(begin), End: at(end), OK: true}
}

// toUser is a delivery of an event to a user, emitted at a stamp.
func toUser(user string, begin int) Delivery {
	l := &Link{Node: 1, Session: "b0", Opened: 1, Follows: true}
	return Delivery{&Emission{Users: []string{user}, Begin: begin}, l, begin + 1, begin}
}

func toSession(session string, begin int) Delivery {
	d := toUser("", begin)
	d.Users, d.Session = nil, session
	return d
}

// The history that is checked is itself checked: what is allowed, and what is
// not.
func TestViolations(t *testing.T) {
	logIn := changed("b0", "s1", "ann", 10, 20, true)
	logOut := changed("s1", "s2", "", 30, 40, true)
	for name, test := range map[string]struct {
		calls     []*Call
		delivery  Delivery
		forbidden bool
	}{
		"nobody":                  {nil, toUser("ann", 5), true},
		"before the login":        {[]*Call{logIn}, toUser("ann", 5), true},
		"while the login runs":    {[]*Call{logIn}, toUser("ann", 12), false},
		"after the login":         {[]*Call{logIn}, toUser("ann", 22), false},
		"another user":            {[]*Call{logIn}, toUser("bob", 22), true},
		"while the logout runs":   {[]*Call{logIn, logOut}, toUser("ann", 35), false},
		"after the logout":        {[]*Call{logIn, logOut}, toUser("ann", 45), true},
		"logged in again":         {[]*Call{logIn, logOut, changed("s2", "s3", "ann", 50, 60, true)}, toUser("ann", 65), false},
		"logged in again, later":  {[]*Call{logIn, logOut, changed("s2", "s3", "ann", 50, 60, true)}, toUser("ann", 45), true},
		"the logout has failed":   {[]*Call{logIn, changed("s1", "s2", "", 30, 40, false)}, toUser("ann", 45), false},
		"the logout has not yet":  {[]*Call{logIn, changed("s1", "s2", "", 30, 0, false)}, toUser("ann", 45), false},
		"the login has failed":    {[]*Call{changed("b0", "s1", "ann", 10, 20, false), logOut}, toUser("ann", 45), true},
		"another login, together": {[]*Call{logIn, changed("b0", "s2", "", 15, 25, true)}, toUser("ann", 45), false},
		"another login, later":    {[]*Call{logIn, changed("b0", "s2", "", 22, 25, true)}, toUser("ann", 45), true},
		"another login, later than one that has failed": {
			// A node that does not know of the session s1 admits it.
			[]*Call{changed("b0", "s1", "ann", 10, 20, false), changed("b0", "s2", "", 22, 25, true)}, toUser("ann", 45), false,
		},
		"a change of a later session": {[]*Call{logIn, changed("s1", "s2", "ann", 22, 25, true), changed("s2", "s3", "", 30, 40, true)}, toUser("ann", 45), true},
		"a change of a later session after one that has failed": {
			[]*Call{logIn, changed("s1", "s2", "ann", 22, 25, false), changed("s2", "s3", "", 30, 40, true)}, toUser("ann", 45), false,
		},
		"in place":                      {[]*Call{logIn, changed("s1", "s1", "", 30, 40, true)}, toUser("ann", 45), true},
		"in place, together":            {[]*Call{logIn, changed("s1", "s1", "", 30, 40, true), changed("s1", "s1", "ann", 35, 42, true)}, toUser("ann", 45), false},
		"in place, in order":            {[]*Call{logIn, changed("s1", "s1", "bob", 22, 25, false), changed("s1", "s1", "", 30, 40, true)}, toUser("bob", 45), true},
		"in place, too late":            {[]*Call{logIn, logOut, changed("s1", "s1", "ann", 50, 60, true)}, toUser("ann", 65), true},
		"revoked":                       {[]*Call{logIn, revoked(RevokeUser, "", "ann", 30, 40)}, toUser("ann", 45), true},
		"another is revoked":            {[]*Call{logIn, revoked(RevokeUser, "", "bob", 30, 40)}, toUser("ann", 45), false},
		"revoked together":              {[]*Call{logIn, revoked(RevokeUser, "", "ann", 15, 40)}, toUser("ann", 45), false},
		"the session is revoked":        {[]*Call{logIn, revoked(RevokeSession, "s1", "", 30, 40)}, toUser("ann", 45), true},
		"another session is revoked":    {[]*Call{logIn, revoked(RevokeSession, "b0", "", 30, 40)}, toUser("ann", 45), false},
		"to the session":                {[]*Call{logIn}, toSession("s1", 22), false},
		"to the session, early":         {[]*Call{logIn}, toSession("s1", 5), true},
		"to the session before":         {[]*Call{logIn}, toSession("b0", 22), true},
		"to the first session":          {[]*Call{logIn}, toSession("b0", 12), false},
		"to the session of another":     {[]*Call{logIn}, toSession("b1", 12), true},
		"to the session after a logout": {[]*Call{logIn, logOut}, toSession("s1", 45), true},
		"to a session that has stayed":  {[]*Call{logIn, changed("s1", "s1", "", 30, 40, true)}, toSession("s1", 45), false},
	} {
		t.Run(name, func(t *testing.T) {
			h := &history{userOfCookies: true, calls: test.calls, deliveries: []Delivery{test.delivery}}
			require.Equal(t, test.forbidden, len(h.violations()) > 0, h.violations())
		})
	}
}

func TestViolationsOfDetails(t *testing.T) {
	logIn := changed("b0", "s1", "ann", 10, 20, true)
	logOut := changed("s1", "s2", "", 30, 40, true)
	check := func(d Delivery, calls ...*Call) int {
		h := &history{calls: calls, deliveries: []Delivery{d}}
		return len(h.violations())
	}
	d := toUser("ann", 25)
	d.At = 60
	require.Zero(t, check(d, logIn, logOut), "it may have been queued before")
	d.Queued = 45
	require.Equal(t, 1, check(d, logIn, logOut), "it was queued later")

	d = toUser("ann", 45)
	d.Away = true
	require.Equal(t, 1, check(d, logIn, logOut), "the connection is on another node")
	d.Link.Node = 0
	require.Zero(t, check(d, logIn, logOut), "the node does not know of the logout")

	d = toUser("ann", 25)
	d.Link.Follows = false
	require.Equal(t, 1, check(d, logIn), "there was no proof")
	d.Link.Session, d.Link.Opened = "s1", 22
	require.Zero(t, check(d, logIn), "the handshake had the user")

	d = toUser("ann", 45)
	require.Equal(t, 1, check(d, logIn, revoked(RevokeUser, "", "ann", 30, 40)), "the connection was there")
	d.Link.Opened = 35
	require.Zero(t, check(d, logIn, revoked(RevokeUser, "", "ann", 30, 40)), "the site may have looked the user up before")

	d = toUser("ann", 45)
	d.AnyUser, d.Users = true, nil
	require.Equal(t, 1, check(d, logIn, logOut))
	require.Zero(t, check(d, logIn))

	together := changed("s1", "s1", "", 30, 40, true)
	failed := changed("s1", "s1", "bob", 22, 25, false)
	failed.End.At = together.Begin.At
	require.Zero(t, check(toUser("bob", 45), logIn, failed, together), "the clocks of one moment are in any order")

	h := &history{calls: []*Call{logIn}, deliveries: []Delivery{toUser("ann", 22), toUser("ann", 22)}}
	require.Len(t, h.violations(), 1, "doubled")
}
