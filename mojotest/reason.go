package mojotest

import "github.com/mojosocket/mojo/internal/siotest"

// Reason says why a connection has ended, in the words that socket.io-client passes
// to the disconnect event of a page.
type Reason string

const (
	ReasonServerDisconnect Reason = "io server disconnect" // mojo.Conn.Disconnect, Revoke and the like: a client does not come back by itself
	ReasonClientDisconnect Reason = "io client disconnect" // Socket.Disconnect
	ReasonTransportClose   Reason = "transport close"      // the server has closed the connection, or it broke
	ReasonTransportError   Reason = "transport error"      // the server has refused a request of it
	ReasonForcedClose      Reason = "forced close"         // Tab.Close, Tab.Drop, or the end of the test
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
