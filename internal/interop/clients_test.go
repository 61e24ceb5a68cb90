package interop_test

import "testing"

// The official clients under test, and the packages they come in.
var clients = []struct{ name, module string }{
	{"client-4.8", "socket.io-client-4"},
	{"client-3.1", "socket.io-client-3"},
}

// upgrade is polling first and then a WebSocket, which is what clients do by themselves.
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
						s.requireQuiet(t)
					})
				}
			})
		}
	}
}
