package parser

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/mojosocket/mojo/internal/parser/jsonscan"
)

// The errors of Decode never quote the input, because they may be logged.
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

// Decode decodes the text of one packet ("Packet encoding", "Format"). It is
// stricter than the official parser: all parts must have the specified format,
// and the payload must be one valid JSON value of the kind that the type
// requires. It does not refuse reserved event names; the caller gets the name
// from EventName.
//
// The packet aliases text. Decode takes linear time, and allocates only if the
// payload is nested more than 64 deep.
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

// cutAttachments removes "<count>-" from the beginning of text. It reads at
// most two digits.
func cutAttachments(text []byte) (int, []byte, error) {
	n, i := 0, 0
	for ; i < len(text) && i < 2 && jsonscan.IsDigit(text[i]); i++ {
		n = n*10 + int(text[i]-'0')
	}
	if i == 0 || text[0] == '0' || i == len(text) || text[i] != '-' || n > MaxAttachments {
		return 0, nil, errAttachments
	}
	return n, text[i+1:], nil
}

// cutNamespace removes "<namespace>,". At the end of the packet the comma may
// be missing.
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

// cutID removes the digits of an ack id. It returns an error at the first digit
// that makes the id too large, so it does not read a megabyte of digits.
func cutID(text []byte) (id uint64, ok bool, rest []byte, err error) {
	i := 0
	for ; i < len(text) && jsonscan.IsDigit(text[i]); i++ {
		id = id*10 + uint64(text[i]-'0')
		if id > maxID || i >= 16 {
			return 0, false, nil, errID
		}
	}
	return id, i > 0, text[i:], nil
}

// maxDigits is the greatest length of a number that JSON.stringify writes
// without an exponent.
const maxDigits = 21

// skipNumber skips digits before the payload of a CONNECT. A client whose auth
// value is a number sends such digits. The official server parses them as an
// ack id, which a CONNECT does not use.
func skipNumber(text []byte) []byte {
	i := 0
	for i < len(text) && i < maxDigits && jsonscan.IsDigit(text[i]) {
		i++
	}
	return text[i:]
}

// check applies the rules for the type of the packet.
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

// checkPayload requires one JSON value that begins with one of the bytes of
// kinds.
func checkPayload(data []byte, wrongKind error, kinds string) error {
	if len(data) == 0 {
		return errNoPayload
	}
	if strings.IndexByte(kinds, data[0]) < 0 {
		return wrongKind
	}
	if !jsonscan.Valid(data) {
		return errJSON
	}
	return nil
}

// checkEvent requires an array whose first element can be an event name.
func checkEvent(data []byte) error {
	if err := checkPayload(data, errArray, "["); err != nil {
		return err
	}
	first := data[jsonscan.SkipSpace(data, 1):]
	if first[0] == '"' || isFinite(first[:jsonscan.ScalarLen(first)]) {
		return nil
	}
	return errEvent
}

// maxNumber is the greatest length of a number that can be an event name.
// Without an exponent every number of that length is finite.
const maxNumber = 300

// isFinite reports whether literal, a scalar of valid JSON, is a number within
// the range of float64.
func isFinite(literal []byte) bool {
	if len(literal) == 0 || len(literal) > maxNumber || literal[0] != '-' && !jsonscan.IsDigit(literal[0]) {
		return false
	}
	if bytes.IndexByte(literal, 'e') < 0 && bytes.IndexByte(literal, 'E') < 0 {
		return true
	}
	_, err := strconv.ParseFloat(string(literal), 64)
	return err == nil
}
