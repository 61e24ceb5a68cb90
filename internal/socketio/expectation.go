package socketio

import (
	"net/http"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
)

// expectation is the identities that requests of a connection may come with.
// client.mu guards it.
type expectation struct {
	latest  command.Identity
	earlier []earlierIdentity // that late requests come with; oldest first
}

// earlierIdentity is an identity that requests of a connection may still come
// with, because their browser may not have the cookies of the next one yet.
//
// The first request with the next identity ends that. But a client polls and
// posts at the same time, so a poll with the earlier cookies may arrive after a
// post with the later ones, or the other way round: one such request is let
// through.
type earlierIdentity struct {
	command.Identity
	until time.Time // zero: until a request has come with the next identity
	late  string    // the method that one late request may have; empty until a request has come with the next identity
}

// lateness is how long the one late request may take.
const lateness = time.Second

// maxEarlier is how many changes of identity a browser may be behind.
const maxEarlier = 4

// admits tells whether a request by this method may come with this identity:
// the latest one or, for a moment and without reading, an earlier one.
func (e *expectation) admits(id command.Identity, method string) engineio.Admission {
	if id == e.latest {
		e.seen(method)
		return engineio.Admitted
	}
	i := slices.IndexFunc(e.earlier, func(e earlierIdentity) bool {
		return e.Identity == id && (e.until.IsZero() || time.Now().Before(e.until)) && (e.late == "" || e.late == method)
	})
	switch {
	case i < 0:
		return engineio.Refused
	case e.earlier[i].until.IsZero(): // nothing was sent to another identity before
		return engineio.Admitted
	}
	e.endLate(method)
	return engineio.Withheld
}

// endLate notes that no request by this method is late any more: the late one
// has come, or one with a later identity has.
func (e *expectation) endLate(method string) {
	e.earlier = slices.DeleteFunc(e.earlier, func(e earlierIdentity) bool { return e.late == method })
	if len(e.earlier) == 0 {
		e.earlier = nil
	}
}

// seen notes that a request has come with the latest identity.
func (e *expectation) seen(method string) {
	if e.earlier == nil {
		return
	}
	other := http.MethodPost
	if method == other {
		other = http.MethodGet
	}
	by := time.Now().Add(lateness)
	e.endLate(method)
	for i := range e.earlier {
		old := &e.earlier[i]
		old.late = other
		if old.until.IsZero() || by.Before(old.until) {
			old.until = by
		}
	}
}

// admitAlso makes requests admitted with an identity that the client had before
// its handshake gave it the latest one, until one comes with that.
func (e *expectation) admitAlso(id command.Identity) {
	e.earlier = []earlierIdentity{{Identity: id}}
}

// change makes requests come with another identity from here on.
func (e *expectation) change(id command.Identity) {
	e.earlier = slices.DeleteFunc(e.earlier, func(e earlierIdentity) bool { return e.until.IsZero() })
	e.earlier = append(e.earlier, earlierIdentity{Identity: e.latest, until: time.Now().Add(hub.CookieDelay)})
	if n := len(e.earlier) - maxEarlier; n > 0 {
		e.earlier = slices.Clone(e.earlier[n:])
	}
	e.latest = id
}
