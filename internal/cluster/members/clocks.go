package members

import (
	"slices"
	"time"
)

// MaxLead is how far the clock of a command may be ahead of the cluster's.
const MaxLead = time.Minute

// Now returns the time by the clocks of all members: the middle one of their
// differences from the clock of this node counts. So a machine whose clock is
// wrong does not change it, whichever way, and corrects itself if it is this
// one. Of two clocks that differ, the earlier one counts.
func (m *Members) Now() time.Time {
	offsets := make([]time.Duration, 1, len(m.members)+1) // with this node
	for _, p := range m.members {
		offsets = append(offsets, p.offset)
	}
	slices.Sort(offsets)
	return m.now().Add(offsets[(len(offsets)-1)/2])
}
