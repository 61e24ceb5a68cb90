// Package mojoredis connects Servers in several processes over Redis, so that
// they serve one set of people. It is a module of its own, so that mojo itself
// does not depend on a client of Redis:
//
//	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"127.0.0.1:6379"}})
//	srv, err := mojo.New(mojo.Options{Cluster: mojoredis.New(client, mojoredis.Options{}), ...})
//
// All Servers of a cluster use the same Redis, and the same Options.Key.
//
// Programs that are no Server, as a worker or a cron job, send events with an
// Emitter:
//
//	emitter := mojoredis.NewEmitter(client, mojoredis.EmitterOptions{})
//	err := emitter.Of("/ChatSocket").To("lobby").Emit(ctx, "said", "hello")
//
// A Ledger stores what was given up or revoked, see mojo.Options.Ledger. It needs
// no Bus.
//
// # Node servers
//
// Events, rooms and questions travel as those of @socket.io/redis-adapter, the
// one that createAdapter makes. So a Node server with that adapter can be in the
// same cluster, and the emitters for it in other languages reach the clients of
// mojo, too: @socket.io/redis-emitter and its ports. The room "~u:" and a user id
// is that of a user's connections, "~s:" and a session id that of a browser
// session's. Such a room in a command that puts connections into rooms is ignored.
// The id of a connection is a room for Node servers and emitters, in To and in
// Except. Node servers see the connections of mojo in fetchSockets and allRooms;
// the handshakes have neither cookies nor the auth payload.
//
// Broadcasts with acks and serverSideEmit work in both directions, see
// mojo.Broadcast.EmitWithAck and mojo.OnNotify. A Node server that dies before it
// has said how many clients it has asked is waited for until the end of the
// context. Its code gets an ack of a broadcast from no client that has left.
//
// A program that can publish on the Redis can send events, move connections between
// rooms and disconnect them, as with the official adapter. What logs people in
// and out is sealed by the Server.
//
// # Connections to Redis
//
// Each Server has two connections, which are tested all the time: one that
// publishes and one that is subscribed. If one is lost, clients are still served
// with what their own process emits, and the connection is made anew. Redis
// keeps no messages: what is published meanwhile does not arrive later.
//
// Every Server gets every event of the cluster, and drops those that are for
// none of its connections without decoding them, as the official adapter does.
//
// The user of Redis needs the commands PUBLISH, SUBSCRIBE, PSUBSCRIBE and PING,
// PUBSUB NUMSUB to know how many Node servers have to answer a question, and the
// channels that begin with the Key. It should have CLIENT INFO and CLIENT
// KILL: after a timeout the connection that publishes is made anew, and what the
// last one still carries must not arrive after later messages.
package mojoredis
