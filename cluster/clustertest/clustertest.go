// Package clustertest checks that a backend keeps the promises of package
// cluster. A test of the backend calls Run:
//
//	func TestBus(t *testing.T) {
//		clustertest.Run(t, func(t *testing.T) clustertest.Broker {
//			server := startBroker(t) // which t.Cleanup stops
//			return clustertest.Broker{
//				Bus:     func(string) cluster.Bus { return mybus.New(server.Addr()) },
//				Restart: server.Restart,
//			}
//		})
//	}
package clustertest

import (
	"testing"
	"time"

	"github.com/mojosocket/mojo/cluster"
)

// Broker is a broker for one case. Bus must be set. The cases that need another
// field are skipped if it is nil.
type Broker struct {
	// Bus returns a bus onto the broker for the node of a name. It is called
	// before each Open, also for names that Open must refuse. It may return the
	// same bus each time if several nodes may share one.
	Bus func(node string) cluster.Bus

	// Cut takes its connection from a node, and keeps the node from making
	// another until Reconnect is called. The backend has to notice by itself.
	Cut, Reconnect func(node string)

	// Restart ends the connections of all nodes, as a broker does that is
	// stopped and started again. It returns when the broker is there again.
	Restart func()

	// Other is Bus for the nodes of another cluster on the same broker, for
	// instance one with another prefix.
	Other func(node string) cluster.Bus

	// Timeout is how long a message or a report may take, by default 10 s.
	Timeout time.Duration
}

// Run checks a backend by a number of cases, each in a subtest of t. start is
// called for each with the t of that subtest, and returns a broker that has no
// other nodes.
//
// A case counts goroutines, so t must not run in parallel with other tests.
func Run(t *testing.T, start func(t *testing.T) Broker) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { runCase(t, c, func() Broker { return start(t) }) })
	}
}

// testCase is one case.
type testCase struct {
	name  string
	needs func(*Broker) string // the field of Broker that is missing, or ""; nil: it needs none
	f     func(*run)
}

var cases = []testCase{
	{"Names", nil, testNames},
	{"LinkUp", nil, testLinkUp},
	{"Order", nil, testOrder},
	{"Publishers", nil, testPublishers},
	{"Control", nil, testControl},
	{"Events", nil, testEvents},
	{"Commands", nil, testCommands},
	{"Namespaces", nil, testNamespaces},
	{"Occupied", nil, testOccupied},
	{"Occupier", nil, testOccupier},
	{"Buffers", nil, testBuffers},
	{"SlowReceiver", nil, testSlowReceiver},
	{"Context", nil, testContext},
	{"PublishAfterClose", nil, testPublishAfterClose},
	{"CloseDuringPublish", nil, testCloseDuringPublish},
	{"CloseWaits", nil, testCloseWaits},
	{"SilenceAfterClose", nil, testSilenceAfterClose},
	{"Reopen", nil, testReopen},
	{"Goroutines", nil, testGoroutines},
	{"Cut", needsCut, testCut},
	{"CutUnderLoad", needsCut, testCutUnderLoad},
	{"Restart", needsRestart, testRestart},
	{"OtherCluster", needsOther, testOtherCluster},
}

func needsCut(b *Broker) string {
	if b.Cut == nil || b.Reconnect == nil {
		return "Cut and Reconnect"
	}
	return ""
}

func needsRestart(b *Broker) string {
	if b.Restart == nil {
		return "Restart"
	}
	return ""
}

func needsOther(b *Broker) string {
	if b.Other == nil {
		return "Other"
	}
	return ""
}

func runCase(tb testing.TB, c testCase, start func() Broker) {
	r := &run{tb: tb, broker: start()}
	if r.broker.Bus == nil {
		tb.Fatalf("clustertest: Broker.Bus is nil")
	}
	if r.broker.Timeout <= 0 {
		r.broker.Timeout = 10 * time.Second
	}
	if c.needs != nil {
		if missing := c.needs(&r.broker); missing != "" {
			tb.Skipf("the Broker does not set %s", missing)
		}
	}
	defer r.finish()
	c.f(r)
}
