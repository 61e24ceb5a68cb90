package mojoredis

import (
	"strings"

	"github.com/mojosocket/mojo/cluster"
)

// channels are the names of the channels under a prefix.
type channels struct {
	key string

	// The patterns of the channels of events and of requests.

	events, requests string
}

func newChannels(key string) channels {
	glob := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(key)
	return channels{key, glob + "#*", glob + "-request#*"}
}

// event is the channel of an event: that of its room if it has exactly one.
func (c channels) event(a *cluster.Address) string {
	if len(a.Rooms) == 1 {
		return c.key + "#" + a.Namespace + "#" + a.Rooms[0] + "#"
	}
	return c.key + "#" + a.Namespace + "#"
}

func (c channels) request(namespace string) string  { return c.key + "-request#" + namespace + "#" }
func (c channels) response(namespace string) string { return c.key + "-response#" + namespace + "#" }

// served is a channel that nothing is published on. The nodes of mojo that answer
// requests subscribe to it, so that they can be counted.
func (c channels) served(namespace string) string { return c.key + "-mojo-served#" + namespace + "#" }

// responseNamespace returns the namespace of a channel of responses.
func (c channels) responseNamespace(channel string) (string, bool) {
	return c.rest(channel, "-response#")
}

// control is the channel of control messages for a node or, without one, for
// all.
func (c channels) control(node string) string {
	if node == "" {
		return c.key + "-mojo#"
	}
	return c.key + "-mojo#" + node + "#"
}

// probe is the channel on which a node sends messages to itself.
func (c channels) probe(node string) string { return c.control(node) + "probe#" }

// target is a namespace, and a room of it or "".
type target struct{ namespace, room string }

// eventTargets returns what a channel of events can stand for. There are several
// possibilities if a name contains "#".
func (c channels) eventTargets(channel string) []target {
	rest, ok := c.rest(channel, "#")
	if !ok {
		return nil
	}
	targets := []target{{namespace: rest}}
	for at := len(rest); ; {
		if at = strings.LastIndexByte(rest[:at], '#'); at < 0 {
			return targets
		}
		targets = append(targets, target{rest[:at], rest[at+1:]})
	}
}

// requestNamespace returns the namespace of a channel of requests.
func (c channels) requestNamespace(channel string) (string, bool) {
	return c.rest(channel, "-request#")
}

// rest returns what a channel has between the key with a suffix and the "#" at
// the end. It begins with a namespace.
func (c channels) rest(channel, suffix string) (string, bool) {
	rest, ok := strings.CutPrefix(channel, c.key+suffix)
	if !ok || !strings.HasPrefix(rest, "/") {
		return "", false
	}
	return strings.CutSuffix(rest, "#")
}
