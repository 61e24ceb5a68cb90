// Package mojo gives every app of a web site its own Socket.IO channel and lets
// any HTTP handler reach people: by browser session, by logged-in user, or
// everyone.
//
// A [Server] is an http.Handler that a site mounts in its own server, at the
// path that socket.io-client connects to. Each app registers a [SocketHandler]
// and gets a [Channel], which is a Socket.IO namespace. All apps of a page
// share one connection:
//
//	srv, err := mojo.New(mojo.Options{Cookies: cookies})
//	chat, err := srv.Register("Chat", &ChatHandler{}) // io("/ChatSocket")
//	mux.Handle("/socket.io/", srv)
//	http.ListenAndServe(addr, srv.EnsureSession(mux))
//
// HTTP handlers reach connections by the two cookies of their handshake, the
// session of the browser and the login of the user:
//
//	srv.CurrentSessions().Emit("news", item)               // everybody with a session
//	srv.LoggedInSessions().Get(userID).Emit("note", note)  // every tab and device of one user
//	srv.LoggedInSessions().Of("ada", "bob").Emit("invited", room)
//
// # Lifecycle
//
// [New] starts nothing. Apps are mounted by [Server.Register] and
// [Server.Handle] at any time and stay mounted. A client opens a connection (an
// Engine.IO session, over polling or a WebSocket) and connects to apps on it;
// each of these is a [Conn]. SocketHandler.OnConnect accepts or refuses it,
// OnMessage gets its events, and OnDisconnect is called once and last if
// OnConnect returned nil, with a [Reason]. [Server.Shutdown] closes all
// connections so that clients reconnect by themselves, to another process or
// after the restart, and waits for the handlers.
//
// # Concurrency
//
// All methods are safe for concurrent use, unless their comment says otherwise.
// The calls of a SocketHandler for one Conn come one after another, in order;
// those for different Conns run at the same time. A slow call delays no other
// client. Emitting never blocks. [Sessions], [Session] and [Broadcast] are
// values that look up the connections anew in each call; their zero values
// address nobody.
//
// # Messages
//
// Arguments are values for encoding/json. A []byte that is itself an argument
// or an element of a map[string]any or []any, and a [Binary] anywhere, travel
// as binary. Messages to one connection arrive in the order of their emits.
// They wait in a queue for each connection, of at most Limits.MaxQueue bytes,
// and of Limits.MaxQueuedTotal for all connections together. A client may read
// slowly. It is closed, and reconnects by itself, if it reads nothing for
// Timeouts.PingTimeout or if its queue would exceed a limit. Broadcast.Volatile
// and Broadcast.Latest are for messages that may be skipped or replaced.
//
// [Conn.EmitWithAck] waits for the answer of one client, and
// [Broadcast.EmitWithAck] collects those of many, see [Answers].
//
// [Events] calls a typed function for each event. A message that does not
// decode, or has too many arguments, never reaches a function.
//
// # Identity
//
// An [Identity] is a browser session and a user. It comes from two signed
// cookies, see [Cookies], or from a site's own sessions, see Options.Identify.
// Only cookies that the client sent are believed. [Server.EnsureSession] gives
// every browser a session; [Server.LogIn], [Server.LogOut] and [Server.Rebind]
// change the identity of live connections, and [Session.Revoke] ends them. With
// Options.Ledger the cookies from before are refused after a restart, too. The
// repository has more about it in docs/identity.md.
//
// # Limits
//
// [Limits] and [Timeouts] bound everything that the Server keeps for a client.
// A limit that is reached has a Reason or a cause in [Stats], and a log line
// that names the option.
//
// # Scaling
//
// A Server serves the connections of one process. With Options.Cluster the
// Servers of several processes know each other: a message reaches its receivers
// on any of them, the views show the people of all, and LogIn, LogOut, Rebind
// and Revoke return when the change holds on all. Local limits a view or a
// Broadcast to this process. What hands out a Conn is about this process, and
// so are the figures.
//
// A client's requests have to reach the process that has its connection, by
// sticky sessions of the load balancer, unless Options.Advertise is set.
//
// # Tests
//
// Package mojotest runs a site in a test, with browsers that log in and sockets
// that behave like socket.io-client.
//
// # Protocol
//
// The protocol is Socket.IO revision 5 over Engine.IO revision 4, which
// socket.io-client supports since version 3:
// https://github.com/socketio/socket.io-protocol and
// https://github.com/socketio/engine.io-protocol.
package mojo
