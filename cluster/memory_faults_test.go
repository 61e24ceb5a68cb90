package cluster_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
)

// TestDelay delays messages: those of one publisher keep their order, those of
// two overtake each other.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		m.SetFaults(cluster.Faults{Seed: 1, MinDelay: 10 * time.Millisecond, MaxDelay: 100 * time.Millisecond})
		a, b, c := listen(t, m, "a"), listen(t, m, "b"), listen(t, m, "c")
		c.take()
		start := time.Now()
		for i := range 50 {
			require.NoError(t, a.say(numbers("a", 50)[i]))
			require.NoError(t, b.say(numbers("b", 50)[i]))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.Len(t, c.heard, 100)
		for i, text := range c.heard {
			number := slices.Index(numbers(text[:1], 50), text)
			delay := c.times[i].Sub(start) - time.Duration(number)*time.Millisecond
			require.GreaterOrEqual(t, delay, 10*time.Millisecond)
			require.LessOrEqual(t, delay, 100*time.Millisecond)
		}
		var order []byte
		for _, prefix := range []string{"a", "b"} {
			require.Equal(t, numbers(prefix, 50), having(prefix, c.heard))
		}
		for _, text := range c.heard {
			order = append(order, text[0])
		}
		require.NotEqual(t, strings.Repeat("ab", 50), string(order))
	})
}

func having(prefix string, texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return !strings.HasPrefix(text, prefix) })
}

// TestDelayEnds takes the delay back while messages are on their way. Later ones
// do not overtake them.
func TestDelayEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		a, b, c := listen(t, m, "a"), listen(t, m, "b"), listen(t, m, "c")
		c.take()
		m.SetFaults(cluster.Faults{MinDelay: time.Second})
		require.NoError(t, a.say("a1"))
		m.SetFaults(cluster.Faults{})
		require.NoError(t, a.say("a2"))
		require.NoError(t, b.say("b1"))
		require.Equal(t, "b1", c.take())
		time.Sleep(time.Second)
		require.Equal(t, "a1 a2", c.take())
	})
}

// TestDelayOfOneWay delays what one node sends to another, and nothing else.
func TestDelayOfOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		a, b, c := listen(t, m, "a"), listen(t, m, "b"), listen(t, m, "c")
		a.take()
		b.take()
		c.take()
		m.SetFaults(cluster.Faults{Delay: func(from, to string) time.Duration {
			if from == "a" && to == "b" {
				return time.Minute
			}
			return 0
		}})
		require.NoError(t, a.say("hello"))
		require.NoError(t, b.say("hi"))
		require.Equal(t, "hi", a.take())
		require.Equal(t, "hello hi", c.take())
		require.Empty(t, b.take())
		time.Sleep(time.Minute)
		require.Equal(t, "hello", b.take())
	})
}

// TestCloseWithDelayed closes a node for which messages are on their way. No
// goroutine and no timer is left: the bubble ends at once.
func TestCloseWithDelayed(t *testing.T) {
	start := time.Now()
	synctest.Test(t, func(t *testing.T) {
		virtual := time.Now()
		m := cluster.NewMemory()
		m.SetFaults(cluster.Faults{MinDelay: time.Hour})
		a, b := listen(t, m, "a"), listen(t, m, "b")
		require.NoError(t, a.say("late"))
		synctest.Wait()
		require.NoError(t, b.link.Close())
		require.NoError(t, a.link.Close())
		require.Equal(t, virtual, time.Now())
		require.Equal(t, "up", b.take())
	})
	require.Less(t, time.Since(start), time.Minute)
}

// TestDrop loses messages. The receiver is told in the place of each.
func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		m.SetFaults(cluster.Faults{Seed: 1, Drop: 0.2})
		a, b := listen(t, m, "a"), listen(t, m, "b")
		b.take()
		require.NoError(t, a.say(numbers("", 500)...))
		synctest.Wait()
		lost := 0
		for i, want := range numbers("", 500) {
			if b.heard[i] == "resumed" {
				lost++
				continue
			}
			require.Equal(t, want, b.heard[i])
		}
		require.InDelta(t, 100, lost, 40)
	})
}

// TestDropInSilence loses messages without a report.
func TestDropInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		m.SetFaults(cluster.Faults{Drop: 1, Silent: true})
		a, b := listen(t, m, "a"), listen(t, m, "b")
		require.NoError(t, a.say("lost"))
		require.NoError(t, b.sayTo("b", "lost, too"))
		m.SetFaults(cluster.Faults{})
		require.NoError(t, a.say("there"))
		require.Equal(t, "up there", b.take())
	})
}

// TestDuplicate delivers messages twice, and the second time later.
func TestDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		a, b := listen(t, m, "a"), listen(t, m, "b")
		m.SetFaults(cluster.Faults{Duplicate: 1})
		require.NoError(t, a.say("1", "2"))
		require.Equal(t, "up 1 1 2 2", b.take())

		m.SetFaults(cluster.Faults{Duplicate: 1, MinDelay: time.Second})
		require.NoError(t, a.say("3", "4"))
		time.Sleep(time.Second)
		require.Equal(t, "3 4", b.take())
		time.Sleep(time.Second)
		require.Equal(t, "3 4", b.take())
	})
}

// TestSeed repeats what happens to messages, and changes it with the seed.
func TestSeed(t *testing.T) {
	heard := func(seed uint64) (log string) {
		synctest.Test(t, func(t *testing.T) {
			m := cluster.NewMemory()
			a, b, c := listen(t, m, "a"), listen(t, m, "b"), listen(t, m, "c")
			require.NoError(t, a.say("undisturbed"))
			require.NoError(t, b.say("undisturbed"))
			require.NotEmpty(t, c.take())
			m.SetFaults(cluster.Faults{Seed: seed, MaxDelay: time.Second, Drop: 0.1, Duplicate: 0.1})
			for i := range 50 {
				require.NoError(t, a.say(numbers("a", 50)[i]))
				require.NoError(t, b.say(numbers("b", 50)[i]))
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Minute)
			log = c.take()
		})
		return log
	}
	require.Equal(t, heard(1), heard(1))
	require.NotEqual(t, heard(1), heard(2))
}

// TestSplit splits nodes into groups, in several ways.
func TestSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		names := []string{"a", "b", "c", "d"}
		nodes := make(map[string]*listener)
		for _, name := range names {
			nodes[name] = listen(t, m, name)
			require.Equal(t, "up", nodes[name].take())
		}
		expect := func(want ...string) {
			t.Helper()
			for _, name := range names {
				require.NoError(t, nodes[name].say(name))
				require.NoError(t, nodes[name].sayTo(name, "self"))
				synctest.Wait()
			}
			for i, name := range names {
				require.Equal(t, want[i], nodes[name].take(), "node %s", name)
			}
		}
		expect("self b c d", "a self c d", "a b self d", "a b c self")
		m.Split([]string{"a"}, []string{"b", "c"})
		expect("self", "self c", "b self", "self")
		m.Split([]string{"a", "b"}) // who has missed something is told
		expect("resumed self b", "resumed a self", "resumed self d", "resumed c self")
		m.Heal()
		expect("resumed self b c d", "resumed a self c d", "resumed a b self d", "resumed a b c self")
		m.Heal()
		expect("self b c d", "a self c d", "a b self d", "a b c self")
	})
}

// TestSplitLosesWhatIsOnItsWay splits nodes while messages are on their way.
func TestSplitLosesWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		m.SetFaults(cluster.Faults{MinDelay: time.Second})
		a, b, c := listen(t, m, "a"), listen(t, m, "b"), listen(t, m, "c")
		require.NoError(t, a.say("a"))
		require.NoError(t, c.say("c"))
		m.Split([]string{"a"})
		m.Heal()
		time.Sleep(time.Second)
		require.Equal(t, "up resumed c", b.take())
	})
}

// TestCut cuts a node off and connects it again.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		a, b, c := listen(t, m, "a"), listen(t, m, "b"), listen(t, m, "c")
		for _, l := range []*listener{a, b, c} {
			require.Equal(t, "up", l.take())
		}
		m.SetFaults(cluster.Faults{MinDelay: time.Second})
		require.NoError(t, a.say("on its way"))
		m.SetFaults(cluster.Faults{})
		m.Cut("b")
		require.Equal(t, "down", b.take())
		m.Cut("b")
		require.EqualError(t, b.say("lost"), "cluster: the node is cut off from the broker")
		time.Sleep(time.Second)
		require.NoError(t, a.say("lost"))
		require.Empty(t, b.take())
		require.Equal(t, "on its way lost", c.take())
		m.Reconnect("b")
		require.NoError(t, a.say("a"))
		require.NoError(t, b.say("b"))
		require.Equal(t, "resumed a", b.take())
		require.Equal(t, "b", a.take())
		m.Reconnect("b")
		require.Equal(t, "resumed", b.take())
		m.Cut("b", "c")
		m.Heal()
		require.Equal(t, "down resumed", b.take())
		require.Empty(t, a.take())
	})
}

// TestCutBeforeOpen opens a node while it cannot reach the broker.
func TestCutBeforeOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		a := listen(t, m, "a")
		m.Cut("b")
		b := listen(t, m, "b")
		require.NoError(t, a.say("lost"))
		require.Empty(t, b.take())
		require.Error(t, b.say("lost"))
		m.Reconnect("b")
		require.NoError(t, a.say("there"))
		require.Equal(t, "up there", b.take())
	})
}

// TestStarve lets a node get nothing, and not know it.
func TestStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		a, b := listen(t, m, "a"), listen(t, m, "b")
		require.Equal(t, "up", a.take())
		require.Equal(t, "up", b.take())
		m.SetFaults(cluster.Faults{MinDelay: time.Second})
		require.NoError(t, a.say("on its way"))
		m.SetFaults(cluster.Faults{})
		m.Starve("b")
		require.NoError(t, a.say("lost"))
		require.NoError(t, b.sayTo("b", "lost, too"))
		require.NoError(t, b.say("b"))
		time.Sleep(time.Second)
		require.Empty(t, b.take())
		require.Equal(t, "b", a.take())

		m.Reconnect("b")
		require.NoError(t, b.sayTo("b", "self"))
		require.Equal(t, "resumed self", b.take())

		m.Starve("b")
		m.Heal() // b has missed nothing
		require.NoError(t, a.say("there"))
		require.Equal(t, "there", b.take())
		m.Starve("b")
		require.NoError(t, a.say("lost"))
		m.Heal()
		require.Equal(t, "resumed", b.take())

		m.SetFaults(cluster.Faults{Silent: true})
		m.Starve("b")
		require.NoError(t, a.say("lost"))
		m.Heal()
		require.NoError(t, a.say("there"))
		require.Equal(t, "there", b.take())
	})
}

// TestFaultsWhileRunning changes the faults at random while nodes publish, are
// opened and closed. It is for the race detector and goleak.
func TestFaultsWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		for _, name := range []string{"a", "b", "c"} {
			go func() {
				for ctx.Err() == nil {
					l := &listener{name: name}
					link, err := m.Open(name, l)
					if err != nil {
						panic(err)
					}
					l.link = link
					for range 20 {
						_ = l.say(numbers(name, 5)...)
						_ = l.sayTo(name, "self")
						time.Sleep(time.Millisecond)
					}
					_ = link.Close()
				}
			}()
		}
		for i := 0; ctx.Err() == nil; i++ {
			m.SetFaults(cluster.Faults{
				Seed: uint64(i), MaxDelay: time.Duration(i%4) * time.Millisecond, Drop: float64(i%3) / 10,
				Duplicate: float64(i%2) / 10, Queue: i % 50,
			})
			switch i % 5 {
			case 0:
				m.Split([]string{"a"}, []string{"b"})
			case 1:
				m.Cut("b")
			case 2:
				m.Starve("c")
			case 3:
				m.Reconnect(m.Nodes()...)
			case 4:
				m.Heal()
			}
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		require.Empty(t, m.Nodes())
	})
}
