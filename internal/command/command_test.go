package command

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCommandsAreValues: no command has a pointer, an interface, a function or
// a channel, and each command can be encoded and decoded.
func TestCommandsAreValues(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	sel := Selector{
		Namespace: "/ChatSocket", Keys: []Key{{User, "ann"}, {Room, "r"}}, Requires: Session,
		Except: []Key{{Session, "s"}}, ExceptIDs: []string{"id"},
	}
	ann := Identified{Identity: Identity{"s2", "ann"}, Expires: now, LoginTime: now.Add(-time.Hour)}
	for _, cmd := range []any{
		Emit{sel, []byte(`["event",1]`), [][]byte{{1, 2}}, Delivery{Volatile: true, Latest: true, Key: "k"}},
		Join{sel, []string{"r"}},
		Leave{sel, []string{"r"}},
		Disconnect{sel},
		Extend{ann},
		Rebind{Identity{"s", ""}, []string{"s0"}, ann, now, "seat", Clock{1, "n"}},
		Revoke{"/ChatSocket", Key{User, "ann"}, "s", true, now, Clock{1, "n"}},
		RevokeIdentity{Identity{"s", "ann"}, 3, true, now, Clock{1, "n"}},
	} {
		t.Run(reflect.TypeOf(cmd).Name(), func(t *testing.T) {
			requireValue(t, reflect.TypeOf(cmd))
			encoded, err := json.Marshal(cmd)
			require.NoError(t, err)

			decoded := reflect.New(reflect.TypeOf(cmd))
			require.NoError(t, json.Unmarshal(encoded, decoded.Interface()))

			require.Equal(t, cmd, decoded.Elem().Interface())
		})
	}
}

func requireValue(t *testing.T, typ reflect.Type) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Func, reflect.Chan, reflect.Map, reflect.UnsafePointer:
		require.Fail(t, "not a value", typ.String())
	case reflect.Slice:
		requireValue(t, typ.Elem())
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range typ.NumField() {
			requireValue(t, typ.Field(i).Type)
		}
	}
}

// TestMatches: which identities a selector matches.
func TestMatches(t *testing.T) {
	ann := Identity{"s", "ann"}
	for name, c := range map[string]struct {
		sel            Selector
		personal, want bool
	}{
		"zero value":      {Selector{}, false, true},
		"empty keys":      {Selector{Keys: []Key{}}, false, true}, // there are no keys, so no seat was selected
		"a room":          {Selector{Keys: []Key{{Room, "r"}}}, false, true},
		"the user":        {Selector{Keys: []Key{{User, "bob"}, {User, "ann"}}}, true, true},
		"another user":    {Selector{Keys: []Key{{User, "bob"}}}, true, false},
		"another session": {Selector{Keys: []Key{{Session, "t"}}}, true, false},
		"all users":       {Selector{Requires: User}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.personal, c.sel.IsPersonal())
			require.Equal(t, c.want, c.sel.Matches(ann))
		})
	}
	require.False(t, (&Selector{Requires: User}).Matches(Identity{Session: "s"}))
}

// TestClockOrder: the time decides and, if that is equal, the name of the node.
func TestClockOrder(t *testing.T) {
	sorted := []Clock{{}, {0, "a"}, {1, ""}, {1, "a"}, {1, "b"}, {2, "a"}}
	require.True(t, slices.IsSortedFunc(sorted, Clock.Compare))
	for i, c := range sorted {
		require.Equal(t, i == 0, c.IsZero())
		require.Zero(t, c.Compare(c))
		for j, d := range sorted {
			require.Equal(t, i < j, c.Before(d))
		}
	}
}

// TestClockWall: commands of the same moment have the same time.
func TestClockWall(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, after := range []time.Duration{0, 1, time.Microsecond - 1} {
		require.True(t, now.Equal(Clock{Time: now.UnixNano() + int64(after)}.Wall()))
	}
	require.True(t, now.Before(Clock{Time: now.UnixNano() + int64(time.Microsecond)}.Wall()))
}
