package socketio

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRegistryIsEmptyInTheEnd: after many connections of all identities, with rooms, ended in all ways, no index and
// no map holds anything.
func TestRegistryIsEmptyInTheEnd(t *testing.T) {
	app := newTestApp()
	app.connect = func(s *Socket, auth []byte) *Refusal {
		_ = s.Join("a", "b", s.Identity().Session)
		if string(auth) == `{"no":1}` {
			return &Refusal{Message: "no"}
		}
		return nil
	}
	server, namespaces, site := serve(t, app, "/a", "/b")
	transports := []string{"websocket", "polling", "upgrade"}
	accepted := 0
	for i := range 60 {
		client := dial(t, site, transports[i%3], fmt.Sprint(i%7%5), fmt.Sprint(i%3))
		client.Connect("/a", nil)
		accepted++
		if i%2 == 0 {
			client.Connect("/b", nil)
			accepted++
		} else {
			client.TryConnect("/b", map[string]int{"no": 1})
		}
		switch i % 4 {
		case 0:
			client.Close()
		case 1:
			client.Engine.Drop()
		case 2:
			client.Engine.Send("9")
		}
	}
	require.NoError(t, server.Shutdown(t.Context()))
	for range accepted {
		await(t, app.ended)
	}
	require.Empty(t, app.ended)

	requireNobody(t, &server.registry)
	for _, n := range namespaces {
		requireScopeEmpty(t, &n.scope)
	}
	for range accepted {
		s := await(t, app.connected)
		require.Nil(t, s.rooms)
		require.Nil(t, s.acks.waiting)
		require.Nil(t, s.held)
		require.Nil(t, s.lane.tasks)
		require.Empty(t, s.client.slots)
	}
	require.Zero(t, server.activity.n)
}

// TestRegistryAgreesWithAModel: sockets that are shown, join, leave and are hidden, and every question about them.
func TestRegistryAgreesWithAModel(t *testing.T) {
	server := &Server{opts: serverOptions()}
	server.registry.init(server)
	namespaces := []*Namespace{{server: server, name: "/a"}, {server: server, name: "/b"}}
	random := rand.New(rand.NewPCG(1, 2))
	shown, rooms := make(map[*Socket]bool), make(map[*Socket]map[string]bool)
	var all []*Socket
	count := func(n *Namespace, match func(s *Socket) bool) (found int) {
		for _, s := range all {
			if (n == nil || s.namespace == n) && match(s) {
				found++
			}
		}
		return found
	}
	for step := range 5000 {
		room := fmt.Sprint("room", random.IntN(4))
		if len(all) == 0 || random.IntN(10) == 0 {
			id := Identity{}
			if random.IntN(4) > 0 {
				id = Identity{fmt.Sprint("s", random.IntN(5)), []string{"", "u1", "u2"}[random.IntN(3)]}
			}
			s := &Socket{namespace: namespaces[random.IntN(2)], client: clientOf(id), id: fmt.Sprint(step)}
			all, rooms[s] = append(all, s), make(map[string]bool)
		}
		i := random.IntN(len(all))
		switch s := all[i]; random.IntN(5) {
		case 0:
			if !shown[s] {
				server.registry.show(s)
				shown[s] = true
			}
		case 1, 2:
			require.NoError(t, s.Join(room, room))
			rooms[s][room] = true
		case 3:
			s.Leave(room)
			delete(rooms[s], room)
		case 4:
			server.registry.hide(s)
			server.registry.hide(s)
			require.ErrorIs(t, s.Join(room), ErrNotConnected)
			server.registry.show(s) // too late
			require.Empty(t, s.Rooms())
			all[i] = all[len(all)-1]
			all = all[:len(all)-1]
			delete(shown, s)
			delete(rooms, s)
		}
		for _, n := range []*Namespace{nil, namespaces[0], namespaces[1]} {
			v := View{server, n}
			require.Len(t, v.Everyone(), count(n, func(s *Socket) bool { return shown[s] }))
			require.Len(t, v.Sockets(Key{Session, "s1"}), count(n, func(s *Socket) bool { return shown[s] && s.client.standing.Load().Session == "s1" }))
			require.Len(t, v.Sockets(Key{User, "u1"}), count(n, func(s *Socket) bool { return shown[s] && s.client.standing.Load().User == "u1" }))
			require.Empty(t, v.Sockets(Key{Session, ""}))
			target := Target{View: v, Having: User}
			require.Len(t, target.Sockets(), count(n, func(s *Socket) bool { return shown[s] && s.client.standing.Load().User != "" }))
			if n == nil {
				continue
			}
			target = Target{View: v, Keys: []Key{{Room, "room0"}, {Room, "room1"}}, Except: []Key{{Room, "room2"}}}
			require.Len(t, target.Sockets(), count(n, func(s *Socket) bool {
				return (rooms[s]["room0"] || rooms[s]["room1"]) && !rooms[s]["room2"]
			}))
			sessions := make(map[string]bool)
			count(n, func(s *Socket) bool {
				if id := s.client.standing.Load().Session; shown[s] && id != "" {
					sessions[id] = true
				}
				return false
			})
			require.Len(t, v.IDs(Session), len(sessions))
			require.Equal(t, len(sessions), v.Count(Session))
		}
	}
	for _, s := range all {
		server.registry.hide(s)
	}
	requireNobody(t, &server.registry)
	for _, n := range namespaces {
		requireScopeEmpty(t, &n.scope)
	}
}

// TestEndDuringConnect: a socket whose end began elsewhere, and has not got to the indexes yet when its Connect
// returns, is in none of them when Disconnect is called.
func TestEndDuringConnect(t *testing.T) {
	app := newTestApp()
	app.connect = func(s *Socket, _ []byte) *Refusal {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state, s.reason = ended, ClientDisconnect // the first half of end
		return nil
	}
	server, namespaces, site := serve(t, app, "/a")
	dial(t, site, "websocket", "s", "u").SendConnect("/a", nil)

	require.Equal(t, ClientDisconnect, await(t, app.ended))

	require.Empty(t, View{server, namespaces[0]}.Everyone())
	require.Zero(t, View{server, nil}.Count(Session))
}
