package mojo

import (
	"cmp"
	"context"
	"time"

	"github.com/mojosocket/mojo/internal/socketio"
)

// Revalidation asks at intervals whether sessions are still valid, for sites where
// that can change without LogOut or Revoke, for instance because a user was locked
// in the database. The zero value asks nothing.
type Revalidation struct {
	// Check reports whether an identity is still valid. It is called for each live
	// session (or login without one) once in Every, spread over that time, once for
	// all tabs, in at most 16 goroutines at a time. ctx ends after Every, and Check
	// must return then. If it returns false, the session is revoked with
	// ReasonInvalid. An error, or a panic, means that the answer is not known. It
	// needs Options.Cookies or Identify. If it is nil, nothing is asked.
	Check func(ctx context.Context, id Identity) (valid bool, err error)

	// Every is the time between two calls of Check for one session, from 1 ms to
	// 24 h. 0: 1 minute.
	Every time.Duration

	// Failures is the number of errors in a row for one session after which its
	// connections are closed with ReasonInvalid, from 1. Its cookies stay good.
	// 0: 3.
	Failures int

	// FailOpen keeps the connections open, whatever the number of errors.
	FailOpen bool
}

func (v *Revalidation) check() error {
	return cmp.Or(
		checkTime("Revalidation.Every", v.Every),
		checkCount("Revalidation.Failures", v.Failures),
	)
}

func (v *Revalidation) fillIn() {
	setDefault(&v.Every, time.Minute)
	setDefault(&v.Failures, 3)
}

// revalidation returns Options.Revalidation for the Socket.IO layer.
func (s *Server) revalidation() socketio.Revalidation {
	v := &s.opts.Revalidation
	if v.Check == nil {
		return socketio.Revalidation{}
	}
	return socketio.Revalidation{
		Ask: func(ctx context.Context, id socketio.Identified) (bool, error) {
			return v.Check(ctx, outer(id))
		},
		Every:    v.Every,
		Failures: v.Failures,
		FailOpen: v.FailOpen,
		Until:    s.latestExpiry,
	}
}
