package status

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mojosocket/mojo"
)

// Here is everybody who is connected.
type Here struct {
	People []Person `json:"people"` // by name
	Guests int      `json:"guests"` // browsers in which nobody is logged in
}

// Person is a user, over all tabs and browsers.
type Person struct {
	Name     string `json:"name"`
	Tabs     int    `json:"tabs"`
	Browsers int    `json:"browsers"`
}

// look asks the channel anew each time: what is counted by hand can be wrong. Who
// goes while it looks is left out.
func look(ch *mojo.Channel) Here {
	here := Here{People: []Person{}}
	for user := range ch.LoggedInSessions().All() {
		person := Person{Name: user.ID()}
		browsers := make(map[string]struct{})
		for c := range user.Conns() {
			person.Tabs++
			browsers[c.SessionID()] = struct{}{}
		}
		person.Browsers = len(browsers)
		if person.Tabs > 0 {
			here.People = append(here.People, person)
		}
	}
	slices.SortFunc(here.People, func(a, b Person) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	for session := range ch.CurrentSessions().All() {
		for c := range session.Conns() {
			if c.UserID() == "" {
				here.Guests++
			}
			break // a session is logged in as one user, or not
		}
	}
	return here
}
