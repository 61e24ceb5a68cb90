package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at returns a moment whose time follows its stamp.
func at(stamp int) moment { return moment{stamp, time.Duration(stamp) * time.Millisecond} }

func changed(from, to, user string, begin, end int, ok bool) *call {
	return &call{kind: change, from: from, to: to, user: user, begin: at(begin), end: at(end), ok: ok}
}

func revoked(kind callKind, session, user string, begin, end int) *call {
	return &call{kind: kind, browser: 9, from: session, user: user, begin: at(begin), end: at(end), ok: true}
}

// toUser is a delivery of an event to a user, emitted at a stamp.
func toUser(user string, begin int) delivery {
	l := &link{node: 1, session: "b0", opened: 1, follows: true}
	return delivery{&emission{users: []string{user}, begin: begin}, l, begin + 1, begin}
}

func toSession(session string, begin int) delivery {
	d := toUser("", begin)
	d.users, d.session = nil, session
	return d
}

// The history that is checked is itself checked: what is allowed, and what is
// not.
func TestViolations(t *testing.T) {
	logIn := changed("b0", "s1", "ann", 10, 20, true)
	logOut := changed("s1", "s2", "", 30, 40, true)
	for name, test := range map[string]struct {
		calls     []*call
		delivery  delivery
		forbidden bool
	}{
		"nobody":                  {nil, toUser("ann", 5), true},
		"before the login":        {[]*call{logIn}, toUser("ann", 5), true},
		"while the login runs":    {[]*call{logIn}, toUser("ann", 12), false},
		"after the login":         {[]*call{logIn}, toUser("ann", 22), false},
		"another user":            {[]*call{logIn}, toUser("bob", 22), true},
		"while the logout runs":   {[]*call{logIn, logOut}, toUser("ann", 35), false},
		"after the logout":        {[]*call{logIn, logOut}, toUser("ann", 45), true},
		"logged in again":         {[]*call{logIn, logOut, changed("s2", "s3", "ann", 50, 60, true)}, toUser("ann", 65), false},
		"logged in again, later":  {[]*call{logIn, logOut, changed("s2", "s3", "ann", 50, 60, true)}, toUser("ann", 45), true},
		"the logout has failed":   {[]*call{logIn, changed("s1", "s2", "", 30, 40, false)}, toUser("ann", 45), false},
		"the logout has not yet":  {[]*call{logIn, changed("s1", "s2", "", 30, 0, false)}, toUser("ann", 45), false},
		"the login has failed":    {[]*call{changed("b0", "s1", "ann", 10, 20, false), logOut}, toUser("ann", 45), true},
		"another login, together": {[]*call{logIn, changed("b0", "s2", "", 15, 25, true)}, toUser("ann", 45), false},
		"another login, later":    {[]*call{logIn, changed("b0", "s2", "", 22, 25, true)}, toUser("ann", 45), true},
		"another login, later than one that has failed": {
			// A node that does not know of the session s1 admits it.
			[]*call{changed("b0", "s1", "ann", 10, 20, false), changed("b0", "s2", "", 22, 25, true)}, toUser("ann", 45), false,
		},
		"a change of a later session": {[]*call{logIn, changed("s1", "s2", "ann", 22, 25, true), changed("s2", "s3", "", 30, 40, true)}, toUser("ann", 45), true},
		"a change of a later session after one that has failed": {
			[]*call{logIn, changed("s1", "s2", "ann", 22, 25, false), changed("s2", "s3", "", 30, 40, true)}, toUser("ann", 45), false,
		},
		"in place":                      {[]*call{logIn, changed("s1", "s1", "", 30, 40, true)}, toUser("ann", 45), true},
		"in place, together":            {[]*call{logIn, changed("s1", "s1", "", 30, 40, true), changed("s1", "s1", "ann", 35, 42, true)}, toUser("ann", 45), false},
		"in place, in order":            {[]*call{logIn, changed("s1", "s1", "bob", 22, 25, false), changed("s1", "s1", "", 30, 40, true)}, toUser("bob", 45), true},
		"in place, too late":            {[]*call{logIn, logOut, changed("s1", "s1", "ann", 50, 60, true)}, toUser("ann", 65), true},
		"revoked":                       {[]*call{logIn, revoked(revokeUser, "", "ann", 30, 40)}, toUser("ann", 45), true},
		"another is revoked":            {[]*call{logIn, revoked(revokeUser, "", "bob", 30, 40)}, toUser("ann", 45), false},
		"revoked together":              {[]*call{logIn, revoked(revokeUser, "", "ann", 15, 40)}, toUser("ann", 45), false},
		"the session is revoked":        {[]*call{logIn, revoked(revokeSession, "s1", "", 30, 40)}, toUser("ann", 45), true},
		"another session is revoked":    {[]*call{logIn, revoked(revokeSession, "b0", "", 30, 40)}, toUser("ann", 45), false},
		"to the session":                {[]*call{logIn}, toSession("s1", 22), false},
		"to the session, early":         {[]*call{logIn}, toSession("s1", 5), true},
		"to the session before":         {[]*call{logIn}, toSession("b0", 22), true},
		"to the first session":          {[]*call{logIn}, toSession("b0", 12), false},
		"to the session of another":     {[]*call{logIn}, toSession("b1", 12), true},
		"to the session after a logout": {[]*call{logIn, logOut}, toSession("s1", 45), true},
		"to a session that has stayed":  {[]*call{logIn, changed("s1", "s1", "", 30, 40, true)}, toSession("s1", 45), false},
	} {
		t.Run(name, func(t *testing.T) {
			h := &history{userOfCookies: true, calls: test.calls, deliveries: []delivery{test.delivery}}
			require.Equal(t, test.forbidden, len(h.violations()) > 0, h.violations())
		})
	}
}

func TestViolationsOfDetails(t *testing.T) {
	logIn := changed("b0", "s1", "ann", 10, 20, true)
	logOut := changed("s1", "s2", "", 30, 40, true)
	check := func(d delivery, calls ...*call) int {
		h := &history{calls: calls, deliveries: []delivery{d}}
		return len(h.violations())
	}
	d := toUser("ann", 25)
	d.at = 60
	require.Zero(t, check(d, logIn, logOut), "it may have been queued before")
	d.queued = 45
	require.Equal(t, 1, check(d, logIn, logOut), "it was queued later")

	d = toUser("ann", 45)
	d.away = true
	require.Equal(t, 1, check(d, logIn, logOut), "the connection is on another node")
	d.link.node = 0
	require.Zero(t, check(d, logIn, logOut), "the node does not know of the logout")

	d = toUser("ann", 25)
	d.link.follows = false
	require.Equal(t, 1, check(d, logIn), "there was no proof")
	d.link.session, d.link.opened = "s1", 22
	require.Zero(t, check(d, logIn), "the handshake had the user")

	d = toUser("ann", 45)
	require.Equal(t, 1, check(d, logIn, revoked(revokeUser, "", "ann", 30, 40)), "the connection was there")
	d.link.opened = 35
	require.Zero(t, check(d, logIn, revoked(revokeUser, "", "ann", 30, 40)), "the site may have looked the user up before")

	d = toUser("ann", 45)
	d.anyUser, d.users = true, nil
	require.Equal(t, 1, check(d, logIn, logOut))
	require.Zero(t, check(d, logIn))

	together := changed("s1", "s1", "", 30, 40, true)
	failed := changed("s1", "s1", "bob", 22, 25, false)
	failed.end.at = together.begin.at
	require.Zero(t, check(toUser("bob", 45), logIn, failed, together), "the clocks of one moment are in any order")

	h := &history{calls: []*call{logIn}, deliveries: []delivery{toUser("ann", 22), toUser("ann", 22)}}
	require.Len(t, h.violations(), 1, "doubled")
}
