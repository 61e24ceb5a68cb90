package socketio

import (
	"encoding/json"
	"slices"

	"github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/internal/hub/presence"
	"github.com/mojosocket/mojo/internal/parser"
)

// newNode returns the node of a Server.
func (s *Server) newNode(config cluster.Config) *cluster.Node {
	config.Local = local{s}
	config.PresenceGrace, config.WatchPresence = s.opts.PresenceGrace, s.opts.Presence != nil
	return cluster.New(config)
}

// Start begins to join the cluster, if there is one.
func (s *Server) Start() error {
	if s.node == nil {
		return nil
	}
	return s.node.Start()
}

// Node returns this process in its cluster. It is nil without one.
func (s *Server) Node() *cluster.Node { return s.node }

// local applies to this process what other nodes send.
type local struct{ server *Server }

// Emit implements cluster.Local. The observers get the arguments as
// encoding/json decodes them into an empty interface.
func (l local) Emit(cmd *command.Emit) {
	if err := l.server.emit(cmd, observeDecoded(cmd)); err != nil {
		l.server.warnOfEmit(err)
	}
}

func (s *Server) warnOfEmit(err error) {
	s.warn.Warn("cluster emit", "mojo: an event from another node cannot be sent", "error", err,
		"help", "Limits.MaxQueue should be the same on all nodes")
}

// observeDecoded returns a function that calls the observer of a socket. The
// first call decodes the event.
func observeDecoded(cmd *command.Emit) func(*Socket) {
	var event string
	var args []any
	decoded := false
	return func(socket *Socket) {
		if !decoded {
			event, args = decodeEvent(cmd)
			decoded = true
		}
		socket.observe(event, args)
	}
}

// decodeEvent returns the name and the arguments of an encoded event.
func decodeEvent(cmd *command.Emit) (event string, args []any) {
	all, err := parser.SplitArgs(cmd.JSON, cmd.Attachments)
	if err != nil {
		return "", nil
	}
	_ = all.Decode(0, &event)
	for i := 1; i < all.Len(); i++ {
		var arg any
		if all.Decode(i, &arg) != nil {
			arg = json.RawMessage(all.Raw(i))
		}
		args = append(args, arg)
	}
	return event, args
}

// Join implements cluster.Local.
func (l local) Join(cmd *command.Join) {
	cmd.Rooms = l.allowedRooms(cmd.Namespace, cmd.Rooms)
	if err := l.server.Join(*cmd, true); err != nil {
		l.server.warn.Warn("cluster join", "mojo: connections cannot join rooms, as another node wants", "error", err)
	}
}

// Leave implements cluster.Local.
func (l local) Leave(cmd *command.Leave) {
	cmd.Rooms = l.allowedRooms(cmd.Namespace, cmd.Rooms)
	_ = l.server.Leave(*cmd, true) // it cannot fail here
}

// allowedRooms returns rooms without those that are reserved. A server of another
// kind has sent these: package mojo refuses them.
func (l local) allowedRooms(namespace string, rooms []string) []string {
	if err := hub.CheckReserved(rooms); err != nil {
		l.server.warn.Warn("cluster reserved room", "mojo: ignored the name of a room, from another server of the cluster",
			"namespace", namespace, "error", err, "help", "LogIn, LogOut and Revoke change who a connection belongs to")
	}
	return slices.DeleteFunc(rooms, command.IsReservedRoom)
}

// Disconnect implements cluster.Local.
func (l local) Disconnect(cmd *command.Disconnect, wholeConn bool) {
	sockets := l.server.disconnect(cmd)
	if !wholeConn {
		return
	}
	for _, socket := range sockets {
		_ = socket.CloseAll() // it may have ended
	}
}

// Extend implements cluster.Local.
func (l local) Extend(cmd *command.Extend) { l.server.extend(*cmd) }

// Rebind implements cluster.Local.
func (l local) Rebind(cmd *command.Rebind) { _, _ = l.server.rebind(cmd) } // it returns no error for the command of another node

// Revoke implements cluster.Local.
func (l local) Revoke(cmd *command.Revoke, why *wire.Reason) (sessions []string) {
	sessions, _ = l.server.revoke(cmd, revocationOf(why))
	return sessions
}

// RevokeIdentity implements cluster.Local.
func (l local) RevokeIdentity(cmd *command.RevokeIdentity, why *wire.Reason) {
	l.server.dismissEnded(l.server.hub.RevokeIdentity(*cmd), revocationOf(why))
}

// Ledger implements cluster.Local.
func (l local) Ledger() []ledger.Entry { return l.server.hub.Ledger() }

// Merge implements cluster.Local.
func (l local) Merge(entries []ledger.Entry) { l.server.Merge(entries) }

// Merge applies what another node has, or what was stored. Connections that were
// given up there reconnect with the cookies of their browser.
func (s *Server) Merge(entries []ledger.Entry) {
	effects := s.hub.Merge(entries)
	for _, conn := range effects.Outdated {
		clientOf(conn).session.Close(IdentityChanged)
	}
	s.dismissEnded(effects, Revocation{Code: CodeRevoked, Reason: Revoked})
}

// DoPresenceWork implements cluster.Local.
func (l local) DoPresenceWork(work presence.Work) { l.server.doPresenceWork(work) }

// TakeChanges implements cluster.Local.
func (l local) TakeChanges(out []directory.Entry) []directory.Entry {
	var changes []hub.Change
	for {
		changes = l.server.hub.TakeChanges(changes[:0])
		if len(changes) == 0 {
			return out
		}
		for _, c := range changes {
			if c.Kind == command.Room {
				l.server.node.Occupy(c.Namespace, c.ID, c.Count > 0)
				continue
			}
			out = append(out, directory.Entry{Key: c.Key, Namespace: c.Namespace, Count: c.Count})
		}
	}
}

// Occupied implements cluster.Local.
func (l local) Occupied(namespace string, room command.Key) bool {
	return l.server.hub.Occupied(namespace, room)
}
