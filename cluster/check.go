package cluster

import (
	"errors"
	"fmt"
)

// CheckName returns an error if a name is not what [Bus.Open] takes. It is for
// backends. The error has no prefix.
func CheckName(name string) error {
	ok := name != "" && len(name) <= 64
	for _, c := range []byte(name) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
	}
	if !ok {
		return fmt.Errorf("the name of a node is %q, must be 1 to 64 ASCII letters and digits", name)
	}
	return nil
}

// Check returns an error if a message is not what [Link.Publish] takes. It is for
// backends. The error has no prefix, and follows the name of the message.
func (m *Message) Check() error {
	kinds := 0
	for _, set := range []bool{m.Event != nil, m.Command != nil, m.Control != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return fmt.Errorf("has %d of Event, Command and Control, must have 1", kinds)
	}
	if m.To != "" && m.Control == nil {
		return errors.New("has To, which is for Control only")
	}
	return nil
}
