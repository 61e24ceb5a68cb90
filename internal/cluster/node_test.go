package cluster

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// Who is connected is known at once on the node itself, and within a moment on
// all others.
func TestDirectoryOfAllNodes(t *testing.T) {
	virtual(t, 3, func(t *testing.T, _ *cluster.Memory, p []*process) {
		p[0].connect("ann", 2)
		require.True(t, p[0].Directory().Has(app, userKey("ann")))

		time.Sleep(announceTime)
		synctest.Wait()

		for _, other := range p {
			require.Equal(t, 2, other.Directory().Count("", userKey("ann")))
		}
		p[1].connect("ann", 1)
		p[0].connect("ann", 0)
		time.Sleep(announceTime)
		synctest.Wait()
		for _, other := range p {
			require.Equal(t, 1, other.Directory().Count("", userKey("ann")))
			require.Equal(t, 1, other.Directory().Len(app, command.User))
		}
	})
}

// A node that comes later gets all entries.
func TestEntriesOfBefore(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		for i := range 5000 {
			p[i%2].connect(time.Duration(i).String(), 1)
		}
		late := start(t, bus)
		require.NoError(t, late.Await(t.Context()))
		synctest.Wait()
		require.Equal(t, 5000, late.Directory().Len("", command.User))
		late.Close(time.Second)
	})
}

// What was lost is noticed by the digest of the next heartbeat.
func TestLostAnnouncements(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		p[0].connect("stays", 1)
		time.Sleep(announceTime)
		bus.SetFaults(cluster.Faults{Drop: 1, Silent: true})
		p[0].connect("ann", 1)
		p[0].connect("stays", 0)
		time.Sleep(announceTime)
		synctest.Wait()
		require.False(t, p[1].Directory().Has("", userKey("ann")))

		bus.SetFaults(cluster.Faults{})
		time.Sleep(2 * members.Period)
		synctest.Wait()

		require.True(t, p[1].Directory().Has("", userKey("ann")))
		require.False(t, p[1].Directory().Has("", userKey("stays")))
	})
}

// A message for a user goes to the nodes that have connections of the user, one
// for a room to all.
func TestMessagesGoWherePeopleAre(t *testing.T) {
	virtual(t, 3, func(t *testing.T, _ *cluster.Memory, p []*process) {
		p[1].connect("ann", 1)
		time.Sleep(announceTime)
		synctest.Wait()

		require.NoError(t, p[0].Emit(emitToUser("ann", "1")))
		require.NoError(t, p[0].Emit(emitToUser("nobody", "2")))
		require.NoError(t, p[0].Emit(emitToRoom("room", "3")))
		require.NoError(t, p[0].Emit(&command.Emit{Selector: command.Selector{Requires: command.User}, JSON: []byte("4")}))

		synctest.Wait()
		require.Empty(t, p[0].local.emitted)
		require.Equal(t, []string{"1", "3", "4"}, p[1].local.emitted)
		require.Equal(t, []string{"3", "4"}, p[2].local.emitted)
	})
}

// A command has been applied on all nodes when the call returns.
func TestConfirmedCommand(t *testing.T) {
	virtual(t, 3, func(t *testing.T, _ *cluster.Memory, p []*process) {
		p[1].local.delay = time.Second
		require.NoError(t, p[0].Rebind(t.Context(), &command.Rebind{To: command.Identified{Identity: command.Identity{Session: "new"}}}))
		require.Equal(t, []string{"new"}, p[1].local.rebound)
		require.Equal(t, []string{"new"}, p[2].local.rebound)
		require.Empty(t, p[0].local.rebound, "the caller has applied it")
	})
}

// Sessions that are revoked on one node are revoked on all.
func TestRevokedSessions(t *testing.T) {
	virtual(t, 3, func(t *testing.T, _ *cluster.Memory, p []*process) {
		p[1].local.sessions = []string{"on 1"}
		revoke := &command.Revoke{Key: userKey("ann"), Invalidate: true}

		require.NoError(t, p[0].Revoke(t.Context(), revoke, &wire.Reason{}, []string{"on 0"}))

		require.Equal(t, []string{"on 0", "on 1"}, p[0].local.revoked)
		require.Equal(t, []string{"ann", "on 0", "on 1"}, p[1].local.revoked)
		require.Equal(t, []string{"ann", "on 0", "on 1"}, p[2].local.revoked)
	})
}

// A node that is silent makes the call return an error that names it, after two
// seconds or with the context, and gets the command later.
func TestUnconfirmedCommand(t *testing.T) {
	virtual(t, 3, func(t *testing.T, bus *cluster.Memory, p []*process) {
		bus.Starve(p[2].Name())
		start := time.Now()

		err := p[0].Rebind(t.Context(), &command.Rebind{To: command.Identified{Identity: command.Identity{Session: "new"}}})

		var unconfirmed *UnconfirmedError
		require.ErrorAs(t, err, &unconfirmed)
		require.Equal(t, []string{p[2].Name()}, unconfirmed.Nodes)
		require.Equal(t, confirmTime, time.Since(start))
		require.Equal(t, []string{"new"}, p[1].local.rebound)

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		err = p[0].Rebind(ended, &command.Rebind{To: command.Identified{Identity: command.Identity{Session: "newer"}}})
		require.ErrorIs(t, err, context.Canceled)

		bus.Heal()
		time.Sleep(2 * members.Period)
		synctest.Wait()
		require.ElementsMatch(t, []string{"new", "newer"}, p[2].local.rebound)
		require.Empty(t, p[0].pending.byID)
	})
}

// A node that dies does not keep a call waiting, and its entries go.
func TestDeadNode(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		dead := start(t, bus)
		require.NoError(t, dead.Await(t.Context()))
		dead.connect("ann", 1)
		time.Sleep(announceTime)
		synctest.Wait()
		bus.Split([]string{dead.Name()})
		began := time.Now()
		for p[0].Directory().Has("", userKey("ann")) {
			time.Sleep(10 * time.Millisecond)
		}
		require.GreaterOrEqual(t, time.Since(began), 4*time.Second)
		require.LessOrEqual(t, time.Since(began), 6500*time.Millisecond)
		require.NoError(t, p[0].Rebind(t.Context(), &command.Rebind{}))
		dead.Close(time.Second)
	})
}

// Commands that were given on either side of a cut hold on all nodes afterwards.
// Meanwhile the isolated node says so.
func TestCommandsDuringACut(t *testing.T) {
	virtual(t, 3, func(t *testing.T, bus *cluster.Memory, p []*process) {
		p[2].connect("ann", 1)
		bus.Cut(p[2].Name())
		synctest.Wait()
		require.ErrorIs(t, p[2].Emit(emitToRoom("room", "1")), ErrDown)
		time.Sleep(members.IsolatedAfter + members.Period)
		require.Equal(t, members.Isolated, p[2].phaseNow())
		require.NoError(t, p[2].Await(t.Context()), "clients are served")
		err := p[2].Rebind(t.Context(), &command.Rebind{To: command.Identified{Identity: command.Identity{Session: "by 2"}}})
		require.ErrorIs(t, err, ErrDown)
		time.Sleep(2 * members.DeadAfter)
		p[0].local.ledger = []ledger.Entry{{ID: "by 0"}}
		p[1].local.ledger = []ledger.Entry{{ID: "by 1"}}
		require.NoError(t, p[0].Rebind(t.Context(), &command.Rebind{To: command.Identified{Identity: command.Identity{Session: "by 0"}}}))
		require.False(t, p[0].Directory().Has("", userKey("ann")))

		bus.Heal()
		require.Eventually(t, func() bool { return p[2].phaseNow() == members.Ready }, 3*time.Second, 10*time.Millisecond)
		time.Sleep(2 * members.Period)
		synctest.Wait()

		require.ElementsMatch(t, append(p[0].local.ledger, p[1].local.ledger...), p[2].local.merged)
		require.Equal(t, []string{"by 0", "by 2"}, p[1].local.rebound)
		require.Equal(t, []string{"by 2"}, p[0].local.rebound)
		require.True(t, p[0].Directory().Has("", userKey("ann")))
		require.Empty(t, p[2].pending.byID)
		require.NoError(t, p[2].Emit(emitToRoom("room", "2")))
	})
}

// While a node that was isolated has not joined again, it drops what comes for
// people.
func TestStaleMessages(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		p[1].connect("ann", 1)
		time.Sleep(announceTime)
		synctest.Wait()
		bus.SetFaults(cluster.Faults{Delay: func(_, to string) time.Duration { // it is stopped, with messages in its buffers
			if to == p[1].Name() {
				return members.IsolatedAfter + members.Period/2
			}
			return 0
		}})
		require.NoError(t, p[0].Emit(emitToUser("ann", "1")))
		require.NoError(t, p[0].Emit(emitToRoom("room", "2")))
		time.Sleep(members.DeadAfter)
		synctest.Wait()
		require.Equal(t, []string{"2"}, p[1].local.emitted)
		require.Equal(t, uint64(1), p[1].counts.stale.Load())
	})
}

// A bus that repeats messages, a lost confirmation: the command is applied once.
func TestRepeatedCommand(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		bus.SetFaults(cluster.Faults{Duplicate: 1, Delay: func(from, _ string) time.Duration {
			if from == p[1].Name() {
				return 1500 * time.Millisecond
			}
			return 0
		}})
		require.NoError(t, p[0].Rebind(t.Context(), &command.Rebind{To: command.Identified{Identity: command.Identity{Session: "new"}}}))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"new"}, p[1].local.rebound)
		require.NotZero(t, p[1].counts.repeated.Load())
	})
}

// A node that joins has the ledger before it admits clients.
func TestLedgerBeforeClients(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		for range 2*ledgerPart + 1 {
			p[0].local.ledger = append(p[0].local.ledger, ledger.Entry{ID: "revoked"})
		}
		p[1].local.ledger = slices.Clone(p[0].local.ledger)
		late := start(t, bus)
		require.NoError(t, late.Await(t.Context()))
		require.Len(t, late.local.merged, 2*len(p[0].local.ledger))
		late.Close(time.Second)
	})
}

// Without a broker a node serves clients alone after a while.
func TestNoBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, silent{})
		began := time.Now()
		require.NoError(t, p.Await(t.Context()))
		require.LessOrEqual(t, time.Since(began), members.IsolatedAfter+members.Period)
		require.ErrorIs(t, p.Emit(emitToRoom("room", "1")), ErrDown)
		p.Close(time.Second)
		impatient := start(t, silent{})
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, impatient.Await(ended), context.Canceled)
		impatient.Close(time.Second)
	})
}

// silent is a Bus that never connects.
type silent struct{}

func (silent) Open(string, cluster.Node) (cluster.Link, error)  { return silent{}, nil }
func (silent) Publish(context.Context, []cluster.Message) error { return errors.New("not connected") }
func (silent) Close() error                                     { return nil }

// Garbage, another cluster's messages and those for another node are dropped and
// counted.
func TestForgedMessages(t *testing.T) {
	virtual(t, 2, func(t *testing.T, _ *cluster.Memory, p []*process) {
		r := receiver{p[0].Node}
		other := seal.NewSealer(seal.NewSecret([]byte("another cluster")), seal.Origin{Node: "x", Incarnation: 1})
		own := seal.NewSealer(secret, seal.Origin{Node: "y", Incarnation: 1})
		goodbye := wire.Encode(&wire.Goodbye{})
		for _, message := range [][]byte{nil, []byte("garbage"), other.Seal("", goodbye), own.Seal("somebody else", goodbye)} {
			before := p[0].counts.forged.Load()
			r.Control(message)
			require.Equal(t, before+1, p[0].counts.forged.Load())
		}
		for _, message := range [][]byte{{}, {255}, {1, 2}} {
			before := p[0].counts.unknown.Load()
			r.Control(own.Seal("", message))
			if len(message) != 2 {
				require.Equal(t, before+1, p[0].counts.unknown.Load())
			}
		}
		emit := wire.Encode(&wire.Emit{Emit: *emitToRoom("room", "by a stranger")})
		r.Control(own.Seal("", emit))
		require.Empty(t, p[0].local.emitted, "a node that is no member is not listened to")
	})
}

// A node that leaves is gone at once, and nothing of it is left.
func TestNodeThatLeaves(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		leaving := start(t, bus)
		require.NoError(t, leaving.Await(t.Context()))
		leaving.connect("ann", 1)
		time.Sleep(announceTime)
		synctest.Wait()
		require.True(t, p[0].Directory().Has("", userKey("ann")))

		leaving.Close(time.Second)
		synctest.Wait()

		require.False(t, p[0].Directory().Has("", userKey("ann")))
		require.Zero(t, p[0].Directory().Len("", command.User))
		require.Len(t, p[0].members.All(), 1)
	})
}
