package interop_test

import "testing"

// clients are the official clients under test, and their packages.
var clients = []struct{ name, module string }{
	{"client-4.8", "socket.io-client-4"},
	{"client-3.1", "socket.io-client-3"},
	{"client-2.5", "socket.io-client-2.5"},
	{"client-2.0", "socket.io-client-2.0"},
	{"client-1.7", "socket.io-client-1"},
}

// transports are the transports of the clients. upgrade, their default, begins
// with polling and changes to a WebSocket.
var transports = []string{"websocket", "polling", "upgrade"}

func TestClients(t *testing.T) {
	for _, client := range clients {
		for _, transport := range transports {
			t.Run(client.name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				r := startRunner(t, client.module, transport)
				for _, scenario := range r.next(t).Scenarios {
					t.Run(scenario, func(t *testing.T) {
						s := newSite(t)
						r.run(t, scenario, s.url(), serveControl(t, s))
						s.requireNoConnections(t)
					})
				}
			})
		}
	}
}
