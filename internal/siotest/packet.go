package siotest

import (
	"encoding/base64"
	"strings"
)

const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetMessage = '4'
	packetNoop    = '6'
)

// separator is the byte between the packets of a payload.
const separator = "\x1e"

// Packet is a received Engine.IO packet.
type Packet struct {
	Type   byte   // '0' to '6'; a binary message has '4'
	Text   string // without the type
	Data   []byte // if Binary
	Binary bool
}

// parsePacket parses a packet of a payload or of a text frame. After "b" it
// decodes base64 to binary data.
func parsePacket(s string) (Packet, error) {
	switch {
	case s == "":
		return Packet{}, violation("an empty packet")
	case s[0] == 'b':
		data, err := base64.StdEncoding.DecodeString(s[1:])
		if err != nil {
			return Packet{}, violation("binary packet %.60q: %v", s, err)
		}
		return Packet{Type: packetMessage, Data: data, Binary: true}, nil
	case s[0] < '0' || s[0] > '6':
		return Packet{}, violation("packet %.60q has no type", s)
	}
	return Packet{Type: s[0], Text: s[1:]}, nil
}

// parsePayload parses the answer to a poll.
func parsePayload(s string) ([]Packet, error) {
	var packets []Packet
	for part := range strings.SplitSeq(s, separator) {
		p, err := parsePacket(part)
		if err != nil {
			return nil, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}

// encodeBinary returns the text form of a binary message.
func encodeBinary(b []byte) string { return "b" + base64.StdEncoding.EncodeToString(b) }
