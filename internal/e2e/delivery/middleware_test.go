package delivery

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// The functions of Events.Use are around every event, the first outermost. They
// see the error of the function inside, and events that have none.
func TestEventsUse(t *testing.T) {
	var calls []string
	around := func(name string) func(next mojo.EventFunc) mojo.EventFunc {
		return func(next mojo.EventFunc) mojo.EventFunc {
			return func(c *mojo.Conn, m *mojo.Message) error {
				calls = append(calls, name+" "+m.Event())
				err := next(c, m)
				if err != nil {
					calls = append(calls, name+" sees "+err.Error())
				}
				return err
			}
		}
	}
	ev := new(mojo.Events)
	ev.Use(around("outer"))
	ev.Use(around("inner"))
	mojo.OnCall(ev, "double", func(_ *mojo.Conn, n int) (int, error) { return 2 * n, nil })
	mojo.On(ev, "fail", func(*mojo.Conn, int) error { return mojo.ClientError{Message: "no"} })
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", ev.Handler())

	require.JSONEq(t, "[8]", socket.Call("double", 4).JSON())
	require.Equal(t, []string{"outer double", "inner double"}, calls)

	calls = nil
	require.JSONEq(t, `[{"error":{"message":"no"}}]`, socket.Call("fail", 4).JSON())
	require.Equal(t, []string{"outer fail", "inner fail", "inner sees no", "outer sees no"}, calls)

	calls = nil
	require.JSONEq(t, `[{"error":{"message":"invalid arguments"}}]`, socket.Call("double", "four").JSON())
	require.Contains(t, calls, "outer sees invalid arguments")

	calls = nil
	socket.Emit("nobody handles this")
	require.JSONEq(t, "[2]", socket.Call("double", 1).JSON())
	require.Contains(t, calls, "outer nobody handles this")
}

// A function of Events.Use may refuse a message, or answer it itself.
func TestEventsUseRefuses(t *testing.T) {
	called := 0
	ev := &mojo.Events{Fallback: func(*mojo.Conn, *mojo.Message) { called++ }}
	ev.Use(func(next mojo.EventFunc) mojo.EventFunc {
		return func(c *mojo.Conn, m *mojo.Message) error {
			switch m.Event() {
			case "forbidden":
				return mojo.ClientError{Message: "log in first"}
			case "broken":
				return e2e.ErrSecret
			case "cached":
				return m.Ack("from the cache")
			}
			return next(c, m)
		}
	})
	mojo.On(ev, "forbidden", func(*mojo.Conn, int) error { called++; return nil })
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", ev.Handler())

	require.JSONEq(t, `[{"error":{"message":"log in first"}}]`, socket.Call("forbidden", 1).JSON())
	require.JSONEq(t, `[{"error":{"message":"internal error"}}]`, socket.Call("broken").JSON())
	require.JSONEq(t, `["from the cache"]`, socket.Call("cached").JSON())
	require.Zero(t, called)
}

func TestEventsUsePanics(t *testing.T) {
	ev := new(mojo.Events)
	require.PanicsWithValue(t, "mojo: the function for Events.Use is nil", func() { ev.Use(nil) })
	ev.Use(func(mojo.EventFunc) mojo.EventFunc { return nil })
	require.PanicsWithValue(t, "mojo: a function for Events.Use returned nil", func() { ev.Handler() })
	require.PanicsWithValue(t, "mojo: Events.Use was called after its Handler was made", func() {
		ev.Use(func(next mojo.EventFunc) mojo.EventFunc { return next })
	})
}
