package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"unicode/utf8"

	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// A client of Engine.IO revision 3 speaks revision 4 of Socket.IO, which
// differs from revision 5 in three ways:
//
//   - The server connects the root namespace. The client waits for that before
//     it connects to others, so it is also told so if the site has none.
//   - A CONNECT has no payload. What the client has to say is a query behind the
//     name of the namespace. The answer has no payload, either.
//   - The payload of a refusal is the text, or the data.
//
// The names of namespaces have to be ASCII, because over polling such a client
// gets the names escaped, see package codec.
//
// socket.io-client 1 also encodes text as UTF-8 twice where it polls. It shows
// itself by a CONNECT without a comma behind the namespace.

// isEIO3 reports whether the client speaks Engine.IO revision 3.
func (c *client) isEIO3() bool { return isEIO3(c.session) }

func isEIO3(s *engineio.Session) bool { return s.Revision() == engineio.Revision3 }

// Opened implements engineio.Handler.
func (c *client) Opened() {
	if c.isEIO3() {
		c.connectRoot()
	}
}

// connectRoot connects the root namespace, without a CONNECT of the client.
func (c *client) connectRoot() {
	switch root := c.server.namespace(nil); {
	case root == nil: // no ERROR: the client would take it for one of all its namespaces
		_ = c.session.Send(packet(parser.Connect, "/", parser.Payload{})) // the client may have gone
	case c.refusal != nil:
		c.refuse(nil, c.refusal)
	default:
		c.connect(root, nil)
	}
}

// hasRoot reports whether name is the root namespace and the server has
// connected it. If no app handles it, what the client sends to it is ignored.
func (c *client) hasRoot(name []byte) bool { return len(name) == 0 && c.isEIO3() }

// maxQuery is the greatest length of the query of a CONNECT, in bytes. The
// client also sends it in the URL of each request.
const maxQuery = 64 << 10

var (
	errConnectPayload = errors.New("CONNECT with a payload, which revision 4 does not have")
	errQuery          = errors.New("CONNECT with a query of more than 64 KiB")
)

// connectEIO3 handles a CONNECT. The parameter comma says whether it ends with
// one.
func (c *client) connectEIO3(p parser.Packet, comma bool) error {
	if len(p.Namespace) > 0 && !comma {
		c.mu.Lock()
		c.encodesTwice = true
		c.mu.Unlock()
	}
	name, query, hasQuery := bytes.Cut(p.Namespace, []byte("?"))
	if len(name) <= 1 {
		name = nil
	}
	n := c.server.namespace(name)
	switch {
	case p.Data != nil:
		return errConnectPayload
	case len(query) > maxQuery:
		return errQuery
	case len(name) == 0 && (n == nil || c.isOn(n)): // some clients connect to the root themselves
	case n == nil || !isASCII(name):
		c.refuseNamespace(string(name))
	case c.refusal != nil:
		c.refuse(name, c.refusal)
	case hasQuery:
		c.connect(n, queryObject(string(query)))
	default:
		c.connect(n, nil)
	}
	return nil
}

// undouble decodes text that socket.io-client 1 has encoded twice. Other
// clients leave out the comma, too, so text that cannot be encoded twice is not
// changed: a character above U+00FF is none of the bytes that the second
// encoding has encoded, and these bytes are UTF-8.
func (c *client) undouble(text []byte) []byte {
	c.mu.Lock()
	twice := c.encodesTwice
	c.mu.Unlock()
	if !twice || isASCII(text) || c.session.Transport() != engineio.Polling {
		return text
	}
	once := make([]byte, 0, len(text))
	for _, r := range string(text) {
		if r > 0xff {
			return text
		}
		once = append(once, byte(r))
	}
	if !utf8.Valid(once) {
		return text
	}
	return once
}

// isOn reports whether the client has a socket on a namespace that has not
// ended.
func (c *client) isOn(n *Namespace) bool {
	socket, _ := c.socket(n)
	return socket != nil
}

func isASCII(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// queryObject returns the parameters of a query as a JSON object of strings. Of
// a parameter that is repeated it has the last value.
func queryObject(query string) []byte {
	values, _ := url.ParseQuery(query) // malformed parameters are left out
	object := make(map[string]string, len(values))
	for name, all := range values {
		object[name] = all[len(all)-1]
	}
	text, _ := json.Marshal(object) // cannot fail
	return text
}
