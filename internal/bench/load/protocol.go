package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// Protocol is the protocol of a server.
type Protocol int

// The protocols.
const (
	Bare      Protocol = 0 // only WebSocket: each text message is an event, and there are no heartbeats
	EngineIO3 Protocol = 3 // the client pings
	EngineIO4 Protocol = 4 // the server pings
)

// Site is a server, and the requests with which clients connect to it.
type Site struct {
	Address  netip.AddrPort
	Protocol Protocol
	// Query, if not nil, returns additional query parameters of a client, as
	// "&..." or "".
	Query func(client int) string
	// Header, if not nil, returns additional header lines of a client's
	// requests, each with its line end.
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

// openPacket has fields of the JSON of an open packet.
type openPacket struct {
	SID          string `json:"sid"`
	PingInterval int64  `json:"pingInterval"` // ms
}

func parseOpenPacket(packet []byte) (openPacket, error) {
	var o openPacket
	if len(packet) == 0 || packet[0] != '0' {
		return o, fmt.Errorf("the server sent %.40q, which is not an open packet", packet)
	}
	err := json.Unmarshal(packet[1:], &o)
	return o, err
}

func (o openPacket) interval() time.Duration { return time.Duration(o.PingInterval) * time.Millisecond }

// statusError returns an error if the head of an HTTP answer has another status
// than want.
func statusError(head []byte, want string) error {
	if bytes.HasPrefix(head, []byte("HTTP/1.1 "+want)) {
		return nil
	}
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	return fmt.Errorf("the server answered %q", line)
}
