package socketio

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
	"github.com/mojosocket/mojo/internal/siotest"
)

// presenceLog is a PresenceWatcher that records the transitions.
type presenceLog struct {
	mu          sync.Mutex // guards transitions
	transitions []presence.Transition
}

func (l *presenceLog) Presence(t presence.Transition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.transitions = append(l.transitions, t)
}

func (l *presenceLog) all() []presence.Transition {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.transitions
}

// annOnline returns the two transitions of ann, who comes online and goes
// offline on a namespace.
func annOnline(namespace string) []presence.Transition {
	ann := command.Key{Kind: command.User, ID: "ann"}
	return []presence.Transition{{Namespace: namespace, Key: ann, Online: true}, {Namespace: namespace, Key: ann}}
}

// When Shutdown returns, the watcher was called for all transitions, also for
// those of a Revoke that still runs.
func TestShutdownReportsPresence(t *testing.T) {
	var log presenceLog
	app := newTestApp()
	opts := serverOptions()
	opts.Presence = log.Presence
	s := NewServer(opts)
	require.True(t, s.Mount(s.NewNamespace("/", app, Watchers{})))
	dial(t, siotest.Serve(t, siotest.Memory, s), "websocket", "", "ann").Connect("/", nil)
	await(t, app.connected)
	for s.running() > 1 { // until only the connection counts: the watcher has returned
		runtime.Gosched()
	}

	s.markClosed()                                                                           // Shutdown has begun
	effects := s.hub.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: "ann"}}) // the first half of Server.Revoke
	require.NoError(t, s.Shutdown(t.Context()))

	require.Equal(t, annOnline(""), log.all())
	s.doPresenceWork(effects.Presence)
	require.NoError(t, s.Shutdown(t.Context()))
	require.Equal(t, annOnline(""), log.all(), "each was reported once")
}

func (s *Server) running() int {
	s.activity.mu.Lock()
	defer s.activity.mu.Unlock()
	return s.activity.count
}

// After Shutdown, no timer of the grace time keeps the Server in memory.
func TestShutdownEndsGrace(t *testing.T) {
	app := newTestApp()
	opts := serverOptions()
	opts.PresenceGrace = time.Hour
	s := NewServer(opts)
	require.True(t, s.Mount(s.NewNamespace("/", app, Watchers{})))
	client := dial(t, siotest.Serve(t, siotest.Memory, s), "websocket", "", "ann")
	client.Connect("/", nil)
	client.Close()
	await(t, app.ended)
	require.NotNil(t, s.graceTimer.Load())

	require.NoError(t, s.Shutdown(t.Context()))

	require.False(t, s.graceTimer.Load().Stop(), "it was stopped")
}

// Of two namespaces with one name, only one can be mounted. Its watcher is
// called, if it has one, and never the watcher of the other.
func TestPresenceOfTheMountedApp(t *testing.T) {
	for name, mountedWatches := range map[string]bool{"the mounted one watches": true, "the other one watches": false} {
		t.Run(name, func(t *testing.T) {
			var log presenceLog
			app := newTestApp()
			watching, silent := Watchers{Presence: &log}, Watchers{}
			s := NewServer(serverOptions())
			var want []presence.Transition
			if mountedWatches {
				s.NewNamespace("/", app, silent)
				require.True(t, s.Mount(s.NewNamespace("/", app, watching)))
				want = annOnline("/")
			} else {
				s.NewNamespace("/", app, watching)
				require.True(t, s.Mount(s.NewNamespace("/", app, silent)))
			}
			dial(t, siotest.Serve(t, siotest.Memory, s), "websocket", "", "ann").Connect("/", nil)
			await(t, app.connected)

			require.NoError(t, s.Shutdown(t.Context()))

			require.Equal(t, want, log.all())
			require.Zero(t, s.Stats().Panics)
		})
	}
}
