package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mojosocket/mojo"
)

// recorder writes a history.
type recorder struct {
	began   time.Time
	counter atomic.Int64
	ids     atomic.Int64

	mu      sync.Mutex
	away    map[int][]period // of nodes
	remarks []string         // for a failure
	history
}

// period is when a node did not belong to the cluster.
type period struct{ from, to int }

func (r *recorder) stamp() int { return int(r.counter.Add(1)) }

func (r *recorder) now() moment { return moment{r.stamp(), time.Since(r.began)} }

// note notes a remark.
func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.remarks = append(r.remarks, fmt.Sprintf("  %d (%v) ", now.stamp, now.at)+fmt.Sprintf(format, args...)+"\n")
}

// notes returns all remarks.
func (r *recorder) notes() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.remarks, "")
}

// begin notes that a call begins.
func (r *recorder) begin(c *call) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
	c.begin = r.now()
	return c
}

// end notes the result of a call.
func (r *recorder) end(t *testing.T, c *call, err error) {
	var unconfirmed *mojo.UnconfirmedError
	if err != nil && !errors.As(err, &unconfirmed) && !c.inPlace() { // in place it may be too late: the session was given up
		t.Errorf("%s: %v", c, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.end, c.ok = r.now(), err == nil
}

func (r *recorder) deliver(d delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliveries = append(r.deliveries, d)
}

// noteState notes whether a node has joined its cluster, and reaches the broker.
// The time before it has joined first is none in which it is away: it has no
// connections then.
func (r *recorder) noteState(node int, joined, linked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	periods, known := r.away[node]
	here, away := joined && linked, len(periods) > 0 && periods[len(periods)-1].to == 0
	switch {
	case here && away:
		periods[len(periods)-1].to = r.stamp()
	case !here && known && !away:
		periods = append(periods, period{from: r.stamp()})
	case !here && !known:
		return
	}
	r.away[node] = periods
}

func (r *recorder) isAway(node, stamp int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.away[node] {
		if p.from <= stamp && (p.to == 0 || stamp <= p.to) {
			return true
		}
	}
	return false
}

// stateLog reads from a Server's log whether it belongs to its cluster.
type stateLog struct {
	recorder *recorder
	node     int

	mu             sync.Mutex
	joined, linked bool
}

func (*stateLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *stateLog) WithAttrs([]slog.Attr) slog.Handler             { return l }
func (l *stateLog) WithGroup(string) slog.Handler                  { return l }

func (l *stateLog) Handle(_ context.Context, record slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch record.Message {
	default:
		return nil
	case "mojo: the broker of the cluster can be reached":
		l.linked = true
	case "mojo: the broker of the cluster cannot be reached":
		l.linked = false
	case "mojo: the state of this node in its cluster has changed":
		record.Attrs(func(a slog.Attr) bool {
			if a.Key == "state" {
				l.joined = a.Value.String() == "ready"
				l.recorder.note("node %d is %s", l.node, a.Value)
			}
			return true
		})
	}
	l.recorder.noteState(l.node, l.joined, l.linked)
	return nil
}
