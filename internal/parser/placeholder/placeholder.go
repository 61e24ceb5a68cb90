// Package placeholder finds the placeholders that stand for attachments in the
// JSON of a packet.
package placeholder

import (
	"encoding/json"
	"errors"

	"github.com/mojosocket/mojo/internal/parser/attachment"
	"github.com/mojosocket/mojo/internal/parser/jsonscan"
)

// ErrAmbiguous is the error for application data that looks like a placeholder:
// two placeholders have the same number, or a number is valid, but the packet
// has fewer attachments.
var ErrAmbiguous = errors.New("arguments have data that looks like a placeholder for an attachment")

var (
	errPlaceholder = errors.New("placeholder without a valid attachment number")
	errStructure   = errors.New("arguments are not valid JSON")
)

// Placeholder is a JSON object in the place of an attachment ("Packet
// encoding", "Examples").
type Placeholder struct {
	Start, End int // its position in the data
	Num        int // the number of the attachment
}

// keyKind is the kind of a key in an object.
type keyKind byte

const (
	otherKey keyKind = iota
	markKey          // "_placeholder"
	numKey           // "num"
)

// container is an open array or object.
type container struct {
	start    int
	isObject bool
	isMarked bool    // the value of the last "_placeholder" was true
	key      keyKind // the key whose value comes next
	num      int32   // the value of the last "num", or -1 if it was not a valid number
}

// scanner finds placeholders at any depth in one pass. Its stack has
// at most jsonscan.MaxDepth elements.
type scanner struct {
	data  []byte
	count int // the number of attachments
	stack []container
	found []Placeholder // in order, none inside another
	used  []bool        // by the number of the attachment
}

// Find returns the placeholders in data, which must be the JSON of
// a packet with count attachments. They are in order, and none is inside
// another. Each must name one of the attachments, and no two the same one.
func Find(data []byte, count int) ([]Placeholder, error) {
	s := scanner{data: data, count: count, used: make([]bool, count)}
	for i := jsonscan.SkipSpace(data, 0); i < len(data); i = jsonscan.SkipSpace(data, i) {
		next, err := s.token(i)
		if err != nil {
			return nil, err
		}
		i = next
	}
	if len(s.stack) > 0 {
		return nil, errStructure
	}
	return s.found, nil
}

// token handles the token at data[i] and returns the position behind it.
func (s *scanner) token(i int) (int, error) {
	switch s.data[i] {
	case '{', '[':
		s.value(nil)
		return i + 1, s.open(i)
	case '}', ']':
		return i + 1, s.close(i + 1)
	case ',', ':':
		return i + 1, nil
	case '"':
		return s.str(i)
	}
	end := i + jsonscan.ScalarLen(s.data[i:])
	s.value(s.data[i:end])
	return end, nil
}

func (s *scanner) open(i int) error {
	if len(s.stack) == jsonscan.MaxDepth {
		return errStructure
	}
	s.stack = append(s.stack, container{start: i, isObject: s.data[i] == '{', num: -1})
	return nil
}

// close ends a container. If it is a placeholder, it replaces all placeholders
// inside it: only the outer one is returned.
func (s *scanner) close(end int) error {
	last := len(s.stack) - 1
	if last < 0 {
		return errStructure
	}
	c := s.stack[last]
	s.stack = s.stack[:last]
	if !c.isMarked {
		return nil
	}
	switch {
	case c.num < 0:
		return errPlaceholder
	case int(c.num) >= s.count || s.used[c.num]:
		return ErrAmbiguous
	}
	s.used[c.num] = true
	for n := len(s.found); n > 0 && s.found[n-1].Start > c.start; n-- {
		s.found = s.found[:n-1]
	}
	s.found = append(s.found, Placeholder{Start: c.start, End: end, Num: int(c.num)})
	return nil
}

// str handles a string. It is a key if a colon follows.
func (s *scanner) str(i int) (int, error) {
	end := jsonscan.StringEnd(s.data, i)
	if end < 0 {
		return 0, errStructure
	}
	colon := jsonscan.SkipSpace(s.data, end)
	if colon == len(s.data) || s.data[colon] != ':' {
		s.value(nil)
		return end, nil
	}
	if top := s.top(); top != nil && top.isObject {
		top.key = readKey(s.data[i:end])
	}
	return colon + 1, nil
}

// value handles a value. If an object has a key several times, the last value
// is used, as in JSON.parse. The scalar is nil if the value is not a number or
// literal name.
func (s *scanner) value(scalar []byte) {
	top := s.top()
	if top == nil {
		return
	}
	switch top.key {
	case markKey:
		top.isMarked = string(scalar) == "true"
	case numKey:
		top.num = s.number(scalar)
	}
	top.key = otherKey
}

func (s *scanner) top() *container {
	if len(s.stack) == 0 {
		return nil
	}
	return &s.stack[len(s.stack)-1]
}

// number parses the number of an attachment. It returns -1 if it is not valid.
func (s *scanner) number(literal []byte) int32 {
	if len(literal) == 0 || len(literal) > 9 || len(literal) > 1 && literal[0] == '0' {
		return -1
	}
	n := 0
	for _, c := range literal {
		if !jsonscan.IsDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	if n >= attachment.Max {
		return -1
	}
	return int32(n)
}

// readKey returns the kind of a key. A key may have escapes, which have at most
// six bytes for each character.
func readKey(raw []byte) keyKind {
	const mark, num = "_placeholder", "num"
	if len(raw) > 2+6*len(mark) {
		return otherKey
	}
	text := raw[1 : len(raw)-1]
	if !jsonscan.IsPlainString(raw) {
		var unquoted string
		if json.Unmarshal(raw, &unquoted) != nil {
			return otherKey
		}
		text = []byte(unquoted)
	}
	switch string(text) {
	case mark:
		return markKey
	case num:
		return numKey
	}
	return otherKey
}
