package cluster

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

func clockIn(d time.Duration) command.Clock {
	return command.Clock{Time: time.Now().Add(d).UnixNano(), Node: "x"}
}

// Commands of a node whose clock is wrong are not confirmed, and not applied
// before their time. The other nodes warn, and do not take over its ledger.
func TestClockThatIsAhead(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		var log bytes.Buffer
		p[1].config.Log = slog.New(slog.NewTextHandler(&log, nil))
		cmd := rebindTo("early")
		cmd.At = clockIn(members.MaxLead + 10*time.Second)

		var unconfirmed *UnconfirmedError
		require.ErrorAs(t, p[0].Rebind(t.Context(), cmd), &unconfirmed)
		require.Equal(t, []string{p[1].Name()}, unconfirmed.Nodes)
		revoke := &command.Revoke{Key: userKey("ann"), At: clockIn(24 * time.Hour)}
		require.ErrorAs(t, p[0].Revoke(t.Context(), revoke, &wire.Reason{}, nil), &unconfirmed)
		near := rebindTo("near")
		near.At = clockIn(members.MaxLead - time.Second)
		require.NoError(t, p[0].Rebind(t.Context(), near))

		require.Equal(t, []string{"near"}, p[1].local.rebound)
		require.NotZero(t, p[1].Stats().Ahead)
		require.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
		require.Contains(t, log.String(), "node="+p[0].Name())
		require.Contains(t, log.String(), "ahead=1m")

		time.Sleep(12 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"near", "early"}, p[1].local.rebound)
		require.Empty(t, p[1].local.revoked)
	})
}

// A ledger has entries of a node whose clock is wrong: they are not taken over.
func TestLedgerThatIsAhead(t *testing.T) {
	virtual(t, 1, func(t *testing.T, bus *cluster.Memory, p []*process) {
		p[0].local.ledger = []ledger.Entry{{ID: "now", At: clockIn(0)}, {ID: "ahead", At: clockIn(time.Hour)}}
		late := start(t, bus)
		require.NoError(t, late.Await(t.Context()))
		require.Equal(t, p[0].local.ledger[:1], late.local.merged)
		late.Close(time.Second)
	})
}
