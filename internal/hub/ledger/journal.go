package ledger

import (
	"time"

	"github.com/mojosocket/mojo/internal/command"
)

// Journal has the entries that commands have added to a Ledger since Take, for a
// store. Merged in the order of their clocks, they make the same Ledger. An
// exemption is an entry of the kind CutOff with the clock of the Revoke. The kind
// Changed is not among them: GivenUp says the same of a login.
type Journal struct{ entries []Entry }

func (j *Journal) add(e Entry) { j.entries = append(j.entries, e) }

// GiveUp adds a session id that a Rebind gives up, also if an earlier one has
// given it up: another process may not know that one. Merge gives up the ids that
// have replaced it. A nil Journal does nothing.
func (j *Journal) GiveUp(id string, to command.Identified, at command.Clock, until time.Time) {
	if j != nil {
		j.add(Entry{Kind: GivenUp, ID: id, At: at, Until: until, To: to})
	}
}

// Take returns the entries and removes them. A nil Journal has none.
func (j *Journal) Take() []Entry {
	if j == nil {
		return nil
	}
	entries := j.entries
	j.entries = nil
	return entries
}
