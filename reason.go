package mojo

// Reason says why a connection ended. SocketHandler.OnDisconnect gets it, and
// Stats.Closed counts by it. Reasons that Socket.IO also has are named as
// there: https://socket.io/docs/v4/server-api/#event-disconnect.
type Reason string

// The reasons. After those that close the transport, clients reconnect by
// themselves.
const (
	ReasonClientDisconnect Reason = "client namespace disconnect"    // the client left this namespace
	ReasonServerDisconnect Reason = "server namespace disconnect"    // Conn.Disconnect or Session.Disconnect
	ReasonTransportClose   Reason = "transport close"                // the page was closed, or the network is gone
	ReasonTransportError   Reason = "transport error"                // reading or writing failed
	ReasonForcedClose      Reason = "forced server close"            // the client connected to no app within Timeouts.ConnectTimeout
	ReasonPingTimeout      Reason = "ping timeout"                   // no pong within Timeouts.PingTimeout
	ReasonParseError       Reason = "parse error"                    // the client violated the protocol
	ReasonShutdown         Reason = "server shutting down"           // Server.Shutdown or Close
	ReasonQueueOverflow    Reason = "send queue overflow"            // more than Limits.MaxQueue would have waited for the client
	ReasonTotalOverflow    Reason = "total send queue overflow"      // more than Limits.MaxQueuedTotal waited for all clients, see there which are closed
	ReasonWriteTimeout     Reason = "write timeout"                  // a write made no progress
	ReasonHandlerStall     Reason = "handler stall"                  // handlers did not catch up, see Limits.MaxInbound
	ReasonRateLimit        Reason = "rate limit"                     // more than Limits.MaxRate messages in a second
	ReasonHandlerPanic     Reason = "handler panic"                  // a callback panicked
	ReasonIdentityChanged  Reason = "identity changed"               // the client has to reconnect with the new cookies of its browser
	ReasonRevoked          Reason = "session revoked"                // Session.Revoke, unless it was given another reason
	ReasonExpired          Reason = "session expired"                // the cookies have expired
	ReasonInvalid          Reason = "session no longer valid"        // Revalidation.Check
	ReasonIdentityRefused  Reason = "identity refused"               // OnIdentity returned an error
	ReasonReplaced         Reason = "replaced by a newer connection" // a newer connection, with Limits.ConnPolicy CloseOldest
)
