package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// Protocol is what a server speaks over its WebSockets.
type Protocol int

// The protocols.
const (
	Bare      Protocol = 0 // WebSocket alone: every text is an event, and there are no heartbeats
	EngineIO3 Protocol = 3 // the client pings
	EngineIO4 Protocol = 4 // the server pings
)

// Site is a server and how clients come to it.
type Site struct {
	Address  netip.AddrPort
	Protocol Protocol
	// Query returns what stands behind the parameters of Engine.IO in a
	// client's URL, "&..." or "".
	Query func(client int) string
	// Header returns further header lines of a client's handshake, each with
	// its end.
	Header func(client int) string
}

func (s *Site) target(client int, transport string) string {
	t := fmt.Sprintf("/socket.io/?EIO=%d&transport=%s", s.Protocol, transport)
	if s.Query != nil {
		t += s.Query(client)
	}
	return t
}

func (s *Site) header(client int) string {
	if s.Header == nil {
		return ""
	}
	return s.Header(client)
}

// greeting is what an open packet tells.
type greeting struct {
	SID          string `json:"sid"`
	PingInterval int64  `json:"pingInterval"` // ms
}

func parseGreeting(packet []byte) (greeting, error) {
	var g greeting
	if len(packet) == 0 || packet[0] != '0' {
		return g, fmt.Errorf("the server sent %.40q in place of an open packet", packet)
	}
	err := json.Unmarshal(packet[1:], &g)
	return g, err
}

func (g greeting) interval() time.Duration { return time.Duration(g.PingInterval) * time.Millisecond }

// refused reports whether the head of an HTTP answer has another status than
// want, and is the start of its error.
func statusError(head []byte, want string) error {
	if bytes.HasPrefix(head, []byte("HTTP/1.1 "+want)) {
		return nil
	}
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	return fmt.Errorf("the server answered %q", line)
}
