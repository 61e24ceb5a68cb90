package parser

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// The errors of Decode never quote the input, which is not to be trusted in a log.
var (
	errEmpty       = errors.New("empty packet")
	errType        = errors.New("unknown packet type, expected 0 to 6")
	errAttachments = errors.New("malformed attachment count, expected 1 to 10 and a dash")
	errID          = errors.New("ack id out of range, expected at most 2^53-1")
	errIDForbidden = errors.New("ack id on a packet that has none")
	errIDMissing   = errors.New("ack without an id")
	errNoPayload   = errors.New("payload missing")
	errPayload     = errors.New("payload on a packet that has none")
	errObject      = errors.New("payload is not a JSON object")
	errReason      = errors.New("payload is neither a JSON object nor a string")
	errArray       = errors.New("payload is not a JSON array")
	errEvent       = errors.New("event does not begin with a string or a finite number")
	errJSON        = errors.New("payload is not valid JSON")
)

// Decode reads the text of one packet ("Packet encoding", "Format"). It is stricter than the
// specification's own parser: every part must be written as the format says, and the payload
// must be one valid JSON value of the kind its type asks for. Reserved event names are left to
// the caller, who has the name from EventName.
//
// The packet aliases text. Decode takes linear time, and allocates nothing unless the payload is
// nested more than 64 deep.
func Decode(text []byte) (Packet, error) {
	if len(text) == 0 {
		return Packet{}, errEmpty
	}
	t := Type(text[0] - '0')
	if t > BinaryAck {
		return Packet{}, errType
	}
	p := Packet{Type: t}
	rest := text[1:]
	var err error
	if t == BinaryEvent || t == BinaryAck {
		if p.Attachments, rest, err = cutAttachments(rest); err != nil {
			return Packet{}, err
		}
	}
	p.Namespace, rest = cutNamespace(rest)
	if t == Connect {
		rest = skipNumber(rest)
	} else if p.ID, p.HasID, rest, err = cutID(rest); err != nil {
		return Packet{}, err
	}
	if len(rest) > 0 {
		p.Data = rest[:len(rest):len(rest)]
	}
	if err := p.check(); err != nil {
		return Packet{}, err
	}
	return p, nil
}

// cutAttachments reads "<count>-". Two digits are all it looks at, however long the input is.
func cutAttachments(text []byte) (int, []byte, error) {
	n, i := 0, 0
	for ; i < len(text) && i < 2 && isDigit(text[i]); i++ {
		n = n*10 + int(text[i]-'0')
	}
	if i == 0 || text[0] == '0' || i == len(text) || text[i] != '-' || n > MaxAttachments {
		return 0, nil, errAttachments
	}
	return n, text[i+1:], nil
}

// cutNamespace reads "<namespace>,"; at the end of the packet the comma may be missing.
func cutNamespace(text []byte) (namespace, rest []byte) {
	if len(text) == 0 || text[0] != '/' {
		return nil, text
	}
	namespace = text
	if end := bytes.IndexByte(text, ','); end >= 0 {
		namespace, rest = text[:end:end], text[end+1:]
	}
	if len(namespace) == 1 {
		return nil, rest
	}
	return namespace, rest
}

// cutID reads the digits of an ack id. It stops at the first digit too many, so that a
// megabyte of them costs nothing.
func cutID(text []byte) (id uint64, ok bool, rest []byte, err error) {
	i := 0
	for ; i < len(text) && isDigit(text[i]); i++ {
		id = id*10 + uint64(text[i]-'0')
		if id > maxID || i >= 16 {
			return 0, false, nil, errID
		}
	}
	return id, i > 0, text[i:], nil
}

// maxDigits is the length up to which JSON.stringify writes a number by digits alone.
const maxDigits = 21

// skipNumber skips digits in front of the payload of a CONNECT. A client whose auth is a number sends it
// there, and the official server reads it as an ack id, which a CONNECT has no use for.
func skipNumber(text []byte) []byte {
	i := 0
	for i < len(text) && i < maxDigits && isDigit(text[i]) {
		i++
	}
	return text[i:]
}

// check applies the rules that depend on the type of the packet.
func (p *Packet) check() error {
	switch p.Type {
	case Event, BinaryEvent:
		return checkEvent(p.Data)
	case Ack, BinaryAck:
		if !p.HasID {
			return errIDMissing
		}
		return checkPayload(p.Data, errArray, "[")
	}
	if p.HasID {
		return errIDForbidden
	}
	switch {
	case p.Type == Connect && p.Data != nil:
		return checkPayload(p.Data, errObject, "{")
	case p.Type == ConnectError:
		return checkPayload(p.Data, errReason, `{"`)
	case p.Type == Disconnect && p.Data != nil:
		return errPayload
	}
	return nil
}

// checkPayload requires one JSON value that begins with one of the bytes of kinds.
func checkPayload(data []byte, wrongKind error, kinds string) error {
	if len(data) == 0 {
		return errNoPayload
	}
	if strings.IndexByte(kinds, data[0]) < 0 {
		return wrongKind
	}
	if !valid(data) {
		return errJSON
	}
	return nil
}

// checkEvent requires an array whose first element can be the name of an event.
func checkEvent(data []byte) error {
	if err := checkPayload(data, errArray, "["); err != nil {
		return err
	}
	first := data[skipSpace(data, 1):]
	if first[0] == '"' || isFinite(first[:scalarLen(first)]) {
		return nil
	}
	return errEvent
}

// maxNumber is the length up to which a number can be the name of an event. Without an exponent
// every such number is finite.
const maxNumber = 300

// isFinite reports whether literal, a scalar of valid JSON, is a number that a float64 holds.
func isFinite(literal []byte) bool {
	if len(literal) == 0 || len(literal) > maxNumber || literal[0] != '-' && !isDigit(literal[0]) {
		return false
	}
	if bytes.IndexByte(literal, 'e') < 0 && bytes.IndexByte(literal, 'E') < 0 {
		return true
	}
	_, err := strconv.ParseFloat(string(literal), 64)
	return err == nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
