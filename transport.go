package mojo

// Transport is the name of a way to carry messages between client and server.
type Transport string

// The transports.
const (
	Polling   Transport = "polling"   // HTTP long-polling
	WebSocket Transport = "websocket" // a WebSocket
)
