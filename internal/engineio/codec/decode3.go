package codec

import (
	"bytes"
	"unicode/utf8"
)

// Decode3 is Decode for revision 3.
func Decode3(packet []byte) (packetType byte, data []byte, err error) {
	if len(packet) == 0 {
		return 0, nil, ErrPacket
	}
	packetType, data = packet[0], packet[1:]
	switch packetType {
	case TypeMessage, TypePing, TypePong, TypeNoop, TypeClose:
		return packetType, data, nil
	case TypeBinary:
		data, isMessage := bytes.CutPrefix(data, []byte{TypeMessage})
		if !isMessage {
			break
		}
		if data, err = decodeBase64(data); err == nil {
			return packetType, data, nil
		}
	}
	return 0, nil, ErrPacket
}

// DecodeBinary3 returns the data of a binary packet from a client. Only
// messages are binary.
func DecodeBinary3(packet []byte) ([]byte, error) {
	if len(packet) == 0 || packet[0] != typeMessageByte {
		return nil, ErrPacket
	}
	return packet[1:], nil
}

// maxLength3 is the greatest number of digits of the length of a packet.
const maxLength3 = 10

// CutText3 removes the first packet from a polling payload that is text. The
// payload must be UTF-8. In front of the packet are its length in UTF-16 code
// units, as of a string in JavaScript, and a colon.
func CutText3(payload []byte) (packet, rest []byte, err error) {
	head := payload[:min(len(payload), maxLength3+1)]
	length, n := 0, 0
	for ; n < len(head) && '0' <= head[n] && head[n] <= '9'; n++ {
		length = addDigit(length, int(head[n]-'0'), len(payload))
	}
	if n == 0 || n == len(head) || head[n] != ':' || head[0] == '0' {
		return nil, nil, ErrPacket
	}
	packet = payload[n+1:]
	size := 0
	for units := 0; units < length; {
		r, bytes := utf8.DecodeRune(packet[size:])
		if bytes == 0 {
			return nil, nil, ErrPacket
		}
		size += bytes
		if units++; r > 0xffff {
			units++
		}
		if units > length { // the length ends within a character
			return nil, nil, ErrPacket
		}
	}
	return packet[:size:size], packet[size:], nil
}

// CutBinary3 removes the first packet from a polling payload that is binary. It
// reports whether the packet is. The length in front of the packet is in bytes.
func CutBinary3(payload []byte) (packet []byte, binary bool, rest []byte, err error) {
	if len(payload) == 0 || payload[0] > binaryMark {
		return nil, false, nil, ErrPacket
	}
	binary = payload[0] == binaryMark
	head := payload[1:min(len(payload), maxLength3+2)]
	length, n := 0, 0
	for ; n < len(head) && head[n] <= 9; n++ {
		length = addDigit(length, int(head[n]), len(payload))
	}
	if n == 0 || n == len(head) || head[n] != lengthEnd || head[0] == 0 {
		return nil, false, nil, ErrPacket
	}
	packet = payload[n+2:]
	if length > len(packet) || !binary && !utf8.Valid(packet[:length]) {
		return nil, false, nil, ErrPacket
	}
	return packet[:length:length], binary, packet[length:], nil
}

// addDigit appends a digit to a length. A length above most is as good as any
// other that is too great, so it does not grow.
func addDigit(length, digit, most int) int {
	if length > most {
		return length
	}
	return length*10 + digit
}
