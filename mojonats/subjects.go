package mojonats

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/mojosocket/mojo/cluster"
)

// subjects are the subjects under a prefix. A publisher and a receiver that
// agree on the prefix agree on all of them.
type subjects struct{ prefix string }

// all is the subject that every node is subscribed to.
func (s subjects) all() string { return s.prefix + ".all" }

// node is the subject of what one node gets.
func (s subjects) node(name string) string { return s.prefix + ".node." + name }

// occupied is the subject of a room or, if the room is empty, of what all nodes
// get on which the namespace is registered.
func (s subjects) occupied(namespace, room string) string {
	if room == "" {
		return s.prefix + ".in." + namespaceToken(namespace)
	}
	return s.prefix + ".room." + namespaceToken(namespace) + "." + token(room)
}

// event is the subject of an event: that of its room if it has exactly one. The
// rooms of people and of ids have none, see cluster.Occupier.
func (s subjects) event(a *cluster.Address) string {
	if len(a.Rooms) == 1 && !a.IDs && !strings.HasPrefix(a.Rooms[0], "~") {
		return s.occupied(a.Namespace, a.Rooms[0])
	}
	return s.occupied(a.Namespace, "")
}

// namespaceToken is the token of a namespace, without the slash that all
// namespaces begin with.
func namespaceToken(namespace string) string { return token(strings.TrimPrefix(namespace, "/")) }

// maxToken is the greatest length of a token. A longer name is replaced by its
// hash. Messages have the names in full, so that receivers need no token to find
// out what they are for.
const maxToken = 160

// token encodes a name as one token of a subject: letters, digits, "-" and "_"
// stay, another byte is "=" and its hexadecimal digits.
func token(name string) string {
	if name == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; isTokenByte(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
		if b.Len() > maxToken {
			hash := sha256.Sum256([]byte(name))
			return "=h" + base64.RawURLEncoding.EncodeToString(hash[:])
		}
	}
	return b.String()
}

func isTokenByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_'
}

// checkPrefix returns an error for a prefix that cannot begin a subject.
func checkPrefix(prefix string) error {
	for part := range strings.SplitSeq(prefix, ".") {
		ok := part != ""
		for _, c := range []byte(part) {
			ok = ok && isTokenByte(c)
		}
		if !ok {
			return fmt.Errorf("mojonats: Options.Prefix is %q; want words of letters, digits, - and _, with dots between them", prefix)
		}
	}
	return nil
}
