package history

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mojosocket/mojo"
)

// Recorder writes a history while calls and deliveries go on. It is safe for
// concurrent use. Make it with NewRecorder.
type Recorder struct {
	Began time.Time

	counter atomic.Int64
	ids     atomic.Int64

	mu      sync.Mutex
	away    map[int][]period // of nodes
	remarks []string         // for a failure
	history
}

// period is when a node did not belong to the cluster.
type period struct{ from, to int }

// NewRecorder returns a Recorder of an empty history.
func NewRecorder(userOfCookies bool) *Recorder {
	return &Recorder{Began: time.Now(), away: make(map[int][]period), history: history{userOfCookies: userOfCookies}}
}

// Deliveries returns the deliveries so far.
func (r *Recorder) Deliveries() []Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.deliveries)
}

// Story describes the calls so far that a delivery depends on.
func (r *Recorder) Story(d *Delivery) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.story(d)
}

// Check fails the test if a delivery so far was forbidden. The text names the
// run.
func (r *Recorder) Check(t testing.TB, run string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if found := r.violations(); len(found) > 0 {
		t.Fatalf("%s: %d of %d deliveries\n%s%s", run, len(found), len(r.deliveries),
			strings.Join(found[:min(len(found), 3)], "\n"), strings.Join(r.remarks, ""))
	}
}

// NextID returns a number that it has not returned before.
func (r *Recorder) NextID() int { return int(r.ids.Add(1)) }

// Stamp returns a value of the counter, see history.
func (r *Recorder) Stamp() int { return int(r.counter.Add(1)) }

func (r *Recorder) now() Moment { return Moment{r.Stamp(), time.Since(r.Began)} }

// Note notes a remark.
func (r *Recorder) Note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.remarks = append(r.remarks, fmt.Sprintf("  %d (%v) ", now.Stamp, now.At)+fmt.Sprintf(format, args...)+"\n")
}

// Notes returns all remarks.
func (r *Recorder) Notes() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.remarks, "")
}

// Begin notes that a call begins.
func (r *Recorder) Begin(c *Call) *Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
	c.Begin = r.now()
	return c
}

// End notes the result of a call.
func (r *Recorder) End(t *testing.T, c *Call, err error) {
	var unconfirmed *mojo.UnconfirmedError
	if err != nil && !errors.As(err, &unconfirmed) && !c.InPlace() { // in place it may be too late: the session was given up
		t.Errorf("%s: %v", c, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.End, c.OK = r.now(), err == nil
}

// Deliver notes that an event has arrived at a client.
func (r *Recorder) Deliver(d Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliveries = append(r.deliveries, d)
}

// NoteState notes whether a node has joined its cluster, and reaches the broker.
// The time before it has joined first is none in which it is away: it has no
// connections then.
func (r *Recorder) NoteState(node int, joined, linked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	periods, known := r.away[node]
	here, away := joined && linked, len(periods) > 0 && periods[len(periods)-1].to == 0
	switch {
	case here && away:
		periods[len(periods)-1].to = r.Stamp()
	case !here && known && !away:
		periods = append(periods, period{from: r.Stamp()})
	case !here && !known:
		return
	}
	r.away[node] = periods
}

// IsAway reports whether a node did not belong to its cluster at a stamp.
func (r *Recorder) IsAway(node, stamp int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.away[node] {
		if p.from <= stamp && (p.to == 0 || stamp <= p.to) {
			return true
		}
	}
	return false
}
