package cluster

import (
	"log/slog"
	"testing"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/cluster/ownership"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// FuzzDispatch passes on what a member may send, for instance one of another
// version. Nothing of it may make this node panic.
func FuzzDispatch(f *testing.F) {
	for _, m := range []wire.Message{
		&wire.Heartbeat{Sequence: 1, Entries: 1 << 63}, &wire.Changes{}, &wire.WholeQuery{}, &wire.Shards{From: 3, To: 5},
		&wire.LedgerQuery{}, &wire.Ledger{Last: true}, &wire.Confirm{ID: 1}, &wire.Handover{Handover: ownership.Handover{Last: true}},
		&wire.Emit{Emit: *emitToUser("ann", "[1]")}, &wire.Join{}, &wire.Leave{}, &wire.Disconnect{}, &wire.Extend{},
		&wire.Rebind{ID: 1}, &wire.Revoke{ID: 2}, &wire.RevokeIdentity{ID: 3}, &wire.Goodbye{}, &wire.Welcome{}, &wire.Challenge{},
		&wire.Ask{ID: 4, Timeout: 1000}, &wire.Notify{ID: 5, JSON: []byte(`["e"]`)}, &wire.EndAsk{ID: 4}, &wire.Asked{ID: 1, Conns: []wire.AskedConn{{ID: "a"}}, Last: true},
		&wire.Acks{ID: 1, Acks: []wire.Ack{{Number: 1 << 31, Outcome: 1, JSON: []byte(`[1`)}}},
	} {
		f.Add(wire.Encode(m))
	}
	bus := cluster.NewMemory()
	n := New(Config{
		Name: NewName(), Bus: bus, Secrets: []seal.Secret{secret}, Local: &local{}, Log: slog.New(slog.DiscardHandler), Outbox: 1 << 20,
	})
	if err := n.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { n.Close(0) })
	member := seal.Origin{Node: "member", Incarnation: 1}
	n.change(func() (r members.Result) {
		r.Joined = []members.Member{{Origin: member}}
		r.Mutual = []string{member.Node}
		return r
	})
	number := uint64(0)
	f.Fuzz(func(t *testing.T, encoded []byte) {
		m, err := wire.Decode(encoded)
		if err != nil {
			return
		}
		number++
		n.change(func() members.Result { return n.members.Receive(member, number, m) })
		n.dispatch(member, m, true)
	})
}
