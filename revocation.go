package mojo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/persist"
	"github.com/mojosocket/mojo/internal/socketio"
)

// Revocation says why connections are closed, to their clients, to OnDisconnect
// and to Stats. The zero value is ready to use: CodeRevoked, ReasonRevoked, no
// message, and clients do not reconnect.
type Revocation struct {
	// Code is for the page's program: 0, which is CodeRevoked, another of the
	// codes of this package, or a number of the site's own from 5000.
	Code int

	// Reason is a short, stable token: OnDisconnect gets it, the client reads
	// it, and it is the label under which Stats.Closed counts. It has at most
	// 64 bytes of ASCII letters, digits, spaces and "._-". Use few different
	// ones: a name or an id belongs in Message. "" is ReasonRevoked.
	Reason Reason

	// Message is free text for a person, which the page can show. "" is left
	// out.
	Message string

	// Reconnect keeps the session and the login valid and only closes the
	// connections; clients reconnect by themselves, with the same identity.
	// Otherwise clients do not reconnect by themselves, and their cookies are
	// refused.
	Reconnect bool
}

// RevokedEvent is the event that tells a client why it is about to be closed.
// Its argument is an object with code, reason and reconnect, as in Revocation,
// and with message and data where there are any: the Message of the Revocation,
// or those of the ClientError that OnIdentity returned.
//
//	socket.on("mojo:revoked", ({code, reason, reconnect, message}) => { ... })
//
// A client whose OnConnect has not returned yet gets a connect_error with the
// message, or else the reason, and that object as its data.
const RevokedEvent = "mojo:revoked"

// The codes of a RevokedEvent.
const (
	CodeRevoked  = 4001 // Session.Revoke
	CodeExpired  = 4002 // the cookies have expired
	CodeInvalid  = 4003 // Options.Revalidation
	CodeRefused  = 4004 // OnIdentity returned an error
	CodeReplaced = 4005 // Limits.ConnPolicy is CloseOldest
)

const (
	minOwnCode     = 5000 // the first code that a site may choose
	maxReasonBytes = 64   // bytes
)

// check returns an error for a field that is out of bounds.
func (r *Revocation) check() error {
	if r.Code != 0 && (r.Code < CodeRevoked || r.Code > CodeReplaced) && r.Code < minOwnCode {
		return fmt.Errorf("mojo: Revocation.Code is %d; want 0, one of the package's codes, or at least %d", r.Code, minOwnCode)
	}
	reason := string(r.Reason)
	if len(reason) > maxReasonBytes || strings.Trim(reason, " ") != reason || strings.ContainsFunc(reason, isNotInToken) {
		return fmt.Errorf("mojo: Revocation.Reason is not a short token; want at most %d bytes of letters, digits, spaces and ._- "+
			"(other text belongs in Message)", maxReasonBytes)
	}
	return nil
}

func isNotInToken(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(" ._-", c)
}

// Revoke closes every connection under the id. Each client first gets a
// RevokedEvent with the reason. It is closed when the event was written or, at
// the latest, when a write has made no progress for Timeouts.PingTimeout. When
// Revoke returns, the connections are in no index and no later message is
// queued for them; OnDisconnect follows with the same reason. Messages that a
// client sent before and that were not handled yet are dropped. Revoke does not
// wait for clients.
//
// The id of a session is refused from then on with 403 until its cookie would
// have expired; EnsureSession replaces it. For a user, the ids of all its
// connected sessions are refused, and every login that was written before is
// invalid, connected or not. With Options.Identify the Server does not know
// when a login was made, so the site has to end the other logins itself. The
// Server remembers the latest 65,536 sessions and users until the process ends
// or, with Options.Ledger, until their cookies would have expired. With
// Reconnect nothing is remembered.
//
// In the view of a Channel only the connections of that app are closed, by a
// disconnect after which clients do not reconnect by themselves, and all ids
// stay valid: OnConnect decides who may connect again.
//
// A revocation is always applied as a whole: a ctx that has ended, such as that
// of a request whose client has gone, does not prevent it. With Options.Cluster
// it reaches the connections of all processes, and waits until each has
// confirmed it: for two seconds, or until ctx ends. Then it returns an
// UnconfirmedError. With Options.Ledger it also waits, no longer than that,
// until it is stored, or returns an ErrNotStored.
//
// It returns an error, and closes nothing, if a field of why is out of bounds,
// and ErrServerClosed after Shutdown. The zero Session has no connections:
// nothing is done.
func (s Session) Revoke(ctx context.Context, why Revocation) error {
	return s.RevokeExcept(ctx, "", why)
}

// RevokeExcept is Revoke for all sessions of a user but one, which stays as it
// is: it logs a user out everywhere else. An empty sessionID excepts none.
func (s Session) RevokeExcept(ctx context.Context, sessionID string, why Revocation) error {
	view := s.sessions.view
	if view.server == nil || s.id == "" || s.sessions.kind == command.Session && s.id == sessionID {
		return nil
	}
	if err := why.check(); err != nil {
		return err
	}
	if view.server.sio.Closed() {
		return wrapError(ErrServerClosed)
	}
	if why.Code == 0 {
		why.Code = CodeRevoked
	}
	if why.Reason == "" {
		why.Reason = ReasonRevoked
	}
	return wrapError(view.server.sio.Revoke(ctx, command.Revoke{
		Namespace: view.namespace(), Key: s.key(), Except: sessionID, Invalidate: !why.Reconnect, Until: view.server.latestExpiry(),
	}, socketio.Revocation{Code: why.Code, Reason: socketio.Reason(why.Reason), Message: why.Message, Reconnect: why.Reconnect}))
}

// loadTime is how long Options.Ledger may take to load.
const loadTime = 10 * time.Second

// loadLedger makes the Server refuse what was given up or revoked before it
// began.
func (s *Server) loadLedger() error {
	if s.opts.Ledger == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadTime)
	defer cancel()
	entries, err := persist.Load(ctx, s.opts.Ledger, s.opts.Logger)
	if err != nil {
		return fmt.Errorf("mojo: Options.Ledger cannot be read: %w", err)
	}
	s.sio.Merge(entries)
	return nil
}
