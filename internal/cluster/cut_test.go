package cluster

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

func rebindTo(session string) *command.Rebind {
	return &command.Rebind{To: command.Identified{Identity: command.Identity{Session: session}}}
}

// A node is cut off, and the other one right after it, before it has repeated a
// command. It must not take the first one for dead because it hears nothing: the
// command would be lost.
func TestCommandBetweenTwoCuts(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		bus.Cut(p[1].Name())
		time.Sleep(members.Period / 2)
		var unconfirmed *UnconfirmedError
		require.ErrorAs(t, p[0].Rebind(t.Context(), rebindTo("new")), &unconfirmed)
		require.Equal(t, []string{p[1].Name()}, unconfirmed.Nodes)
		bus.Heal()
		bus.Cut(p[0].Name())
		time.Sleep(members.DeadAfter + members.Period)
		require.Equal(t, members.Isolated, p[0].phaseNow())
		bus.Heal()
		time.Sleep(5 * members.Period)
		synctest.Wait()

		require.Equal(t, []string{"new"}, p[1].local.rebound)
		require.Empty(t, p[0].pending.byID)
	})
}

// A node that hears nothing must not report that a command was confirmed by all
// because it takes the others for dead.
func TestNoConfirmationWhileDeaf(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		bus.SetFaults(cluster.Faults{Delay: func(from, to string) time.Duration {
			if from == p[1].Name() && to == p[0].Name() {
				return 3 * members.Period
			}
			return 0
		}})
		time.Sleep(3 * members.Period)
		bus.Starve(p[0].Name())
		for range 40 {
			began := time.Now()
			require.Error(t, p[0].Rebind(t.Context(), rebindTo("new")))
			require.Equal(t, confirmTime, time.Since(began))
		}
	})
}

// Two nodes do not hear each other for a while, and none is isolated. Then each
// learns what the other one has applied, and drops what comes for people before.
func TestLedgersAfterASplit(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		bus.Split([]string{p[0].Name()}, []string{p[1].Name()})
		time.Sleep(3 * members.DeadAfter)
		for i, node := range p {
			require.Equal(t, members.Ready, node.phaseNow())
			require.Empty(t, node.local.merged)
			node.local.ledger = []ledger.Entry{{ID: fmt.Sprint("by ", i)}}
			require.NoError(t, node.Rebind(t.Context(), rebindTo(fmt.Sprint(i))))
		}

		bus.Heal()
		time.Sleep(3 * members.Period)
		synctest.Wait()

		require.Equal(t, p[1].local.ledger, p[0].local.merged)
		require.Equal(t, p[0].local.ledger, p[1].local.merged)
	})
}

// A node joins while another one has just died: until that is certain, the dead
// one counts as one that may have told who is online.
func TestNamedNodeOwnsKeys(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		bus.Split([]string{p[1].Name()})
		late := start(t, bus)
		owners := func() map[string]bool {
			late.entries.mu.Lock()
			defer late.entries.mu.Unlock()
			owners := make(map[string]bool)
			for i := range 100 {
				owners[late.entries.ownership.Owner(presence.Key{Key: userKey(fmt.Sprint(i))})] = true
			}
			return owners
		}
		time.Sleep(2 * members.Period)
		synctest.Wait()
		require.Contains(t, owners(), p[1].Name())

		require.NoError(t, late.Await(t.Context()))
		synctest.Wait()

		require.NotContains(t, owners(), p[1].Name())
		require.Contains(t, owners(), p[0].Name())
		late.Close(time.Second)
	})
}
