package socketio

import (
	"net/http"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
)

// expectation has the identities that requests of a connection may have.
// client.mu guards it.
type expectation struct {
	latest  command.Identity
	earlier []earlierIdentity // identities that requests may still have; oldest first
}

// earlierIdentity is an identity that requests of a connection may still have,
// because the browser may not have the cookies of the next identity yet.
//
// After the first request with the next identity they may not. But a client
// polls and posts at the same time: a poll with the earlier cookies may arrive
// after a post with the later ones, or a post after a poll. One such request is
// admitted.
type earlierIdentity struct {
	command.Identity
	until      time.Time // zero: until a request has the next identity
	lateMethod string    // of the one late request; empty: no request had the next identity yet
}

// lateTime is how long after the first request with the next identity the one
// late request may arrive.
const lateTime = time.Second

// maxEarlier is the number of earlier identities that are remembered.
const maxEarlier = 4

// admits decides about a request with this method and identity. It admits the
// latest identity. It admits an earlier one for a short time, and withholds
// messages from it.
func (e *expectation) admits(id command.Identity, method string) engineio.Admission {
	if id == e.latest {
		e.noteLatest(method)
		return engineio.Admitted
	}
	i := slices.IndexFunc(e.earlier, func(e earlierIdentity) bool {
		return e.Identity == id && (e.until.IsZero() || time.Now().Before(e.until)) && (e.lateMethod == "" || e.lateMethod == method)
	})
	switch {
	case i < 0:
		return engineio.Refused
	case e.earlier[i].until.IsZero(): // no message was sent to another identity yet
		return engineio.Admitted
	}
	e.endLate(method)
	return engineio.Withheld
}

// endLate admits no more late request with this method: the late request has
// arrived, or one with a later identity has.
func (e *expectation) endLate(method string) {
	e.earlier = slices.DeleteFunc(e.earlier, func(e earlierIdentity) bool { return e.lateMethod == method })
	if len(e.earlier) == 0 {
		e.earlier = nil
	}
}

// noteLatest is called for a request with the latest identity. It limits the
// earlier ones to one late request each.
func (e *expectation) noteLatest(method string) {
	if e.earlier == nil {
		return
	}
	other := http.MethodPost
	if method == other {
		other = http.MethodGet
	}
	by := time.Now().Add(lateTime)
	e.endLate(method)
	for i := range e.earlier {
		old := &e.earlier[i]
		old.lateMethod = other
		if old.until.IsZero() || by.Before(old.until) {
			old.until = by
		}
	}
}

// admitAlso admits requests with the identity that the client had before the
// handshake gave it the latest one, until a request has the latest one.
func (e *expectation) admitAlso(id command.Identity) {
	e.earlier = []earlierIdentity{{Identity: id}}
}

// change sets the identity of later requests.
func (e *expectation) change(id command.Identity) {
	e.earlier = slices.DeleteFunc(e.earlier, func(e earlierIdentity) bool { return e.until.IsZero() })
	e.earlier = append(e.earlier, earlierIdentity{Identity: e.latest, until: time.Now().Add(hub.CookieDelay)})
	if n := len(e.earlier) - maxEarlier; n > 0 {
		e.earlier = slices.Clone(e.earlier[n:])
	}
	e.latest = id
}
