package command

import (
	"cmp"
	"strings"
	"time"
)

// Clock orders the commands of all processes. It is the value of a hybrid
// logical clock: about the time at which a command was made, and later than
// every command that its process knew then. The zero value is earlier than all
// others.
type Clock struct {
	Time int64  // nanoseconds since 1970
	Node string // the name of the process; it orders values with the same Time
}

// Compare returns -1 if c is earlier than d, 1 if it is later, and 0 if they
// are equal.
func (c Clock) Compare(d Clock) int {
	if order := cmp.Compare(c.Time, d.Time); order != 0 {
		return order
	}
	return strings.Compare(c.Node, d.Node)
}

// Before reports whether c is earlier than d.
func (c Clock) Before(d Clock) bool { return c.Compare(d) < 0 }

// IsZero reports whether c is the zero value.
func (c Clock) IsZero() bool { return c == Clock{} }

// Wall returns the time of c in whole microseconds. What is shorter only orders
// the commands of one moment.
func (c Clock) Wall() time.Time { return time.Unix(0, c.Time).Truncate(time.Microsecond) }
