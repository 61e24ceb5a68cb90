package ownership

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func user(id string) presence.Key {
	return presence.Key{Key: command.Key{Kind: command.User, ID: id}}
}
