package parser

import (
	"encoding/json"
	"errors"
)

// ErrAmbiguous is the error for placeholders of which some must be data of the user's own that
// looks like one: two for one attachment, or one for an attachment that a packet could have but
// this one has not.
var ErrAmbiguous = errors.New("arguments hold data that reads as a placeholder for an attachment")

var (
	errPlaceholder = errors.New("placeholder without a valid number of an attachment")
	errStructure   = errors.New("arguments are not valid JSON")
)

// maxDepth is the nesting that encoding/json accepts.
const maxDepth = 10000

// placeholder is where an object stands for an attachment ("Packet encoding", "Examples").
type placeholder struct {
	start, end int
	num        int
}

// key is a key of an object, as far as placeholders are concerned.
type key byte

const (
	otherKey key = iota
	markKey      // "_placeholder"
	numKey       // "num"
)

// container is an array or object that the scanner is inside of.
type container struct {
	start  int
	object bool
	marked bool  // the last "_placeholder" was true
	key    key   // the key whose value comes next
	num    int32 // the last "num", or -1 if that was no valid number
}

// placeholderScanner finds placeholders at any depth in one pass. It keeps its own stack, whose
// size the input cannot drive beyond maxDepth.
type placeholderScanner struct {
	data  []byte
	count int // attachments there are
	stack []container
	found []placeholder // in order, none inside another
	used  []bool
}

// findPlaceholders returns the placeholders of data in order, none inside another.
func findPlaceholders(data []byte, count int) ([]placeholder, error) {
	s := placeholderScanner{data: data, count: count, used: make([]bool, count)}
	for i := skipSpace(data, 0); i < len(data); i = skipSpace(data, i) {
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
func (s *placeholderScanner) token(i int) (int, error) {
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
	end := i + scalarLen(s.data[i:])
	s.value(s.data[i:end])
	return end, nil
}

func (s *placeholderScanner) open(i int) error {
	if len(s.stack) == maxDepth {
		return errStructure
	}
	s.stack = append(s.stack, container{start: i, object: s.data[i] == '{', num: -1})
	return nil
}

// close ends a container. A placeholder makes those inside it void, since nothing but it is read
// there.
func (s *placeholderScanner) close(end int) error {
	last := len(s.stack) - 1
	if last < 0 {
		return errStructure
	}
	c := s.stack[last]
	s.stack = s.stack[:last]
	if !c.marked {
		return nil
	}
	switch {
	case c.num < 0:
		return errPlaceholder
	case int(c.num) >= s.count || s.used[c.num]:
		return ErrAmbiguous
	}
	s.used[c.num] = true
	for n := len(s.found); n > 0 && s.found[n-1].start > c.start; n-- {
		s.found = s.found[:n-1]
	}
	s.found = append(s.found, placeholder{start: c.start, end: end, num: int(c.num)})
	return nil
}

// str handles a string, which is a key if a colon follows.
func (s *placeholderScanner) str(i int) (int, error) {
	end := stringEnd(s.data, i)
	if end < 0 {
		return 0, errStructure
	}
	colon := skipSpace(s.data, end)
	if colon == len(s.data) || s.data[colon] != ':' {
		s.value(nil)
		return end, nil
	}
	if top := s.top(); top != nil && top.object {
		top.key = readKey(s.data[i:end])
	}
	return colon + 1, nil
}

// value notes the value of a key that matters; the last one wins, as in JSON.parse. The scalar is
// nil for values that are none.
func (s *placeholderScanner) value(scalar []byte) {
	top := s.top()
	if top == nil {
		return
	}
	switch top.key {
	case markKey:
		top.marked = string(scalar) == "true"
	case numKey:
		top.num = s.number(scalar)
	}
	top.key = otherKey
}

func (s *placeholderScanner) top() *container {
	if len(s.stack) == 0 {
		return nil
	}
	return &s.stack[len(s.stack)-1]
}

// number returns the number of an attachment, or -1.
func (s *placeholderScanner) number(literal []byte) int32 {
	if len(literal) == 0 || len(literal) > 9 || len(literal) > 1 && literal[0] == '0' {
		return -1
	}
	n := 0
	for _, c := range literal {
		if !isDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	if n >= MaxAttachments {
		return -1
	}
	return int32(n)
}

// readKey recognizes the keys of a placeholder. They may be written with escapes, but never
// longer than with an escape of six bytes for each character.
func readKey(raw []byte) key {
	const mark, num = "_placeholder", "num"
	if len(raw) > 2+6*len(mark) {
		return otherKey
	}
	text := raw[1 : len(raw)-1]
	if !isPlainString(raw) {
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
