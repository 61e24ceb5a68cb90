package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/command"
)

// What a program publishes reaches rooms, users, sessions and, if it is one of
// those that mean them, ids.
func TestAddressesOfOtherPrograms(t *testing.T) {
	address := cluster.Address{Namespace: app, Rooms: []string{"room", "~u:ann", "~s:1"}, Except: []string{"other", "~u:bob"}}
	want := command.Selector{
		Namespace: app,
		Keys:      []command.Key{{Kind: command.Room, ID: "room"}, {Kind: command.User, ID: "ann"}, {Kind: command.Session, ID: "1"}},
		Except:    []command.Key{{Kind: command.Room, ID: "other"}, {Kind: command.User, ID: "bob"}},
		ExceptIDs: address.Except,
	}
	require.Equal(t, want, selector(&address))
	address.IDs = true
	want.IDs = address.Rooms
	require.Equal(t, want, selector(&address))
	require.Equal(t, command.Selector{Namespace: app}, selector(&cluster.Address{Namespace: app, IDs: true}))
}
