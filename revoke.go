package mojo

import "github.com/mojosocket/mojo/internal/socketio"

// Revocation says why connections are closed, to their clients and their handlers.
// The zero value is good: CodeRevoked, ReasonRevoked, and no way back.
type Revocation struct {
	// Code is for the page's program; 0 is CodeRevoked. A site may use numbers of its
	// own, from 5000.
	Code int
	// Reason is what OnDisconnect gets and the client reads; "" is ReasonRevoked.
	Reason Reason
	// Reconnect tells that it makes sense to come back. Nothing is revoked then but
	// the connections: clients come back by themselves as who they were. Otherwise
	// they do not, and their cookies open nothing any more.
	Reconnect bool
}

// RevokedEvent is the event that tells a client why it is about to be closed. Its
// argument is an object with code, reason and reconnect, as in Revocation, and
// message and data if OnIdentity returned a ClientError:
//
//	socket.on("mojo:revoked", ({code, reason, reconnect}) => { ... })
//
// A client whose OnConnect has not returned yet gets a connect_error with the
// reason as its message and that object as its data.
const RevokedEvent = socketio.RevokedEvent

// The codes of a RevokedEvent.
const (
	CodeRevoked  = socketio.CodeRevoked  // Session.Revoke
	CodeExpired  = socketio.CodeExpired  // the cookies have expired
	CodeInvalid  = socketio.CodeInvalid  // Options.Revalidation.Check
	CodeRefused  = socketio.CodeRefused  // OnIdentity returned an error
	CodeReplaced = socketio.CodeReplaced // Options.Limits.ConnPolicy is CloseOldest
)

// Revoke closes every connection under the id, for a reason that its client is told
// first: it gets a RevokedEvent, then the close, after that was written or at the
// latest when a write has made no progress for Options.Timeouts.PingTimeout. When Revoke has
// returned, the connections are in no index and nothing is queued for them any more;
// OnDisconnect follows with the same reason, and what a client sent before and was not
// handled yet never is. It does not wait for clients.
//
// For a session, its id is refused from then on with 403 until its cookie would
// have expired; EnsureSession replaces it. For a user, the ids of all sessions that
// were connected are, and no login that was written before counts, connected or
// not; with Options.Identify, which does not tell when that was, it is for the site
// to forget the others. The Server remembers the latest 65,536 sessions and users,
// as long as the process lives. With Reconnect nothing is remembered.
//
// From a Channel's view only that app's connections are closed, by a disconnect
// after which clients do not come back by themselves, and all ids stay good:
// OnConnect decides who comes back.
//
// Of the zero Session it does nothing. It returns ErrServerClosed after Shutdown,
// otherwise nil.
func (s Session) Revoke(why Revocation) error { return s.RevokeExcept("", why) }

// RevokeExcept is Revoke for all sessions of a user but one, which stays as it is:
// that of who asks to be logged out everywhere else. An empty sessionID excepts
// none.
func (s Session) RevokeExcept(sessionID string, why Revocation) error {
	view := s.sessions.view
	if view.Server == nil || s.id == "" || s.sessions.kind == socketio.Session && s.id == sessionID {
		return nil
	}
	if view.Server.Closed() {
		return edge(ErrServerClosed)
	}
	if why.Code == 0 {
		why.Code = CodeRevoked
	}
	if why.Reason == "" {
		why.Reason = ReasonRevoked
	}
	view.Server.Revoke(view, s.key(), sessionID, socketio.Revocation{
		Code: why.Code, Reason: socketio.Reason(why.Reason), Reconnect: why.Reconnect,
	}, s.sessions.server.latestExpiry())
	return nil
}
