package cluster

import (
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// process is a Node and the Local that it works for.
type process struct {
	*Node
	local *local
}

// local is a Local that notes what it gets.
type local struct {
	mu       sync.Mutex
	changes  []directory.Entry
	emitted  []string
	rebound  []string // new session ids
	revoked  []string // ids of keys
	joined   [][]string
	ledger   []ledger.Entry
	merged   []ledger.Entry
	sessions []string // that Revoke returns
	delay    time.Duration
	conns    int // that each question is for
	asked    []*asked
	notified []string
}

func (l *local) note(list *[]string, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*list = append(*list, text)
}

func (l *local) Emit(cmd *command.Emit) { l.note(&l.emitted, string(cmd.JSON)) }

func (l *local) Notified(data []byte, answer func(answers.Answer)) {
	l.note(&l.notified, string(data))
	if answer != nil {
		answer(answerOf(`["` + string(data) + `"]`))
	}
}

func (l *local) Join(cmd *command.Join)                               { l.joined = append(l.joined, cmd.Rooms) }
func (l *local) Leave(*command.Leave)                                 {}
func (l *local) Disconnect(*command.Disconnect, bool)                 {}
func (l *local) Extend(*command.Extend)                               {}
func (l *local) Rooms(namespace string) []string                      { return []string{namespace} }
func (l *local) Occupied(string, command.Key) bool                    { return true }
func (l *local) RevokeIdentity(*command.RevokeIdentity, *wire.Reason) {}

func (l *local) Sockets(sel *command.Selector) []cluster.Socket {
	return []cluster.Socket{{ID: "id", Rooms: sel.IDs}}
}

func (l *local) Rebind(cmd *command.Rebind) {
	time.Sleep(l.delay)
	l.note(&l.rebound, cmd.To.Session)
}

func (l *local) Revoke(cmd *command.Revoke, _ *wire.Reason) []string {
	l.note(&l.revoked, cmd.Key.ID)
	return l.sessions
}

func (l *local) DoPresenceWork(presence.Work) {}

func (l *local) Ledger() []ledger.Entry { return l.ledger }

func (l *local) Merge(entries []ledger.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.merged = append(l.merged, entries...)
}

func (l *local) TakeChanges(out []directory.Entry) []directory.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	out = append(out, l.changes...)
	l.changes = nil
	return out
}

// connect gives a user of an app a number of connections here.
func (p *process) connect(user string, count int) {
	p.local.mu.Lock()
	p.local.changes = append(p.local.changes, directory.Entry{Key: userKey(user), Namespace: app, Count: count})
	p.local.mu.Unlock()
	p.Changed()
}

const app = "/ChatSocket"

func userKey(id string) command.Key { return command.Key{Kind: command.User, ID: id} }

var secret = seal.NewSecret([]byte("the secret of the tests"))

// start starts a process, which Close ends.
func start(t *testing.T, bus cluster.Bus) *process {
	t.Helper()
	p := &process{local: &local{}}
	n := New(Config{
		Name: NewName(),
		Bus:  bus, Secrets: []seal.Secret{secret}, Local: p.local, Log: slog.New(slog.DiscardHandler), Outbox: 1 << 20,
		Info: wire.NodeInfo{Host: "host"},
	})
	require.NoError(t, n.Start())
	p.Node = n
	t.Cleanup(func() { n.Close(time.Second) })
	return p
}

// virtual runs a test in a bubble, with processes that are ready.
func virtual(t *testing.T, count int, run func(t *testing.T, bus *cluster.Memory, p []*process)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewMemory()
		var processes []*process
		for range count {
			processes = append(processes, start(t, bus))
		}
		for _, p := range processes {
			require.NoError(t, p.Await(t.Context()))
		}
		synctest.Wait()
		run(t, bus, processes)
	})
}

func (p *process) phaseNow() members.Phase {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members.Phase()
}

func emitToUser(user, text string) *command.Emit {
	return &command.Emit{Selector: command.Selector{Keys: []command.Key{userKey(user)}}, JSON: []byte(text)}
}

func emitToRoom(room, text string) *command.Emit {
	return &command.Emit{Selector: command.Selector{Namespace: app, Keys: []command.Key{{Kind: command.Room, ID: room}}}, JSON: []byte(text)}
}
