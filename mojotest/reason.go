package mojotest

import "github.com/mojosocket/mojo/internal/siotest"

// Reason says why a connection has ended. Its values are those that
// socket.io-client passes to the disconnect event of a page.
type Reason string

const (
	// ReasonServerDisconnect means that the server has disconnected the client
	// from the namespace, with mojo.Conn.Disconnect or Session.Revoke. The
	// client does not reconnect by itself.
	ReasonServerDisconnect Reason = "io server disconnect"
	// ReasonClientDisconnect means that the test has called Socket.Disconnect.
	ReasonClientDisconnect Reason = "io client disconnect"
	// ReasonTransportClose means that the server has closed the connection, or
	// the network has failed.
	ReasonTransportClose Reason = "transport close"
	// ReasonTransportError means that the server has refused a request of the
	// connection.
	ReasonTransportError Reason = "transport error"
	// ReasonForcedClose means that the test has called Tab.Close or Tab.Drop,
	// or that the test has ended.
	ReasonForcedClose Reason = "forced close"
)

func reason(of string) Reason {
	switch of {
	case siotest.ReasonServerDisconnect:
		return ReasonServerDisconnect
	case siotest.ReasonClientDisconnect:
		return ReasonClientDisconnect
	case siotest.ReasonClientClose, siotest.ReasonClientDrop:
		return ReasonForcedClose
	case siotest.ReasonError:
		return ReasonTransportError
	}
	return ReasonTransportClose
}
